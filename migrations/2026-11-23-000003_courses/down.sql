DROP TABLE lessons;
DROP TABLE course_sections;
DROP TABLE courses;
DROP TYPE lesson_status;
DROP TYPE course_section_status;
