DROP TABLE reconciler;
