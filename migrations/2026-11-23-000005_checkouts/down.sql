DROP TABLE checkouts;
DROP TYPE checkout_ui_mode;
DROP TYPE checkout_status;
