DROP FUNCTION search_products(text);
DROP INDEX products_name_trigrams_idx;
DROP INDEX products_words_idx;
DROP EXTENSION pg_trgm;
