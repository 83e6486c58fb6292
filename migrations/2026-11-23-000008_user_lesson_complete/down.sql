DROP TABLE user_lesson_complete;
