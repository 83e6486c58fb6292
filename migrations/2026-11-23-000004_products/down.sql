DROP TABLE course_products;
DROP TABLE products;
DROP TYPE product_status;
