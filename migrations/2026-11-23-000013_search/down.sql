DROP FUNCTION search_courses(text);
DROP FUNCTION search_products(text);
DROP FUNCTION search_words(text);
DROP INDEX courses_name_trigrams_idx;
DROP INDEX courses_words_idx;
DROP INDEX products_name_trigrams_idx;
DROP INDEX products_words_idx;
DROP EXTENSION pg_trgm;
