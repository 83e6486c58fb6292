CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE INDEX products_words_idx ON products USING gin (to_tsvector('simple', name || ' ' || description));
CREATE INDEX products_name_trigrams_idx ON products USING gin (name gin_trgm_ops);
CREATE INDEX courses_words_idx ON courses USING gin (to_tsvector('simple', name || ' ' || description));
CREATE INDEX courses_name_trigrams_idx ON courses USING gin (name gin_trgm_ops);
CREATE INDEX users_name_trigrams_idx ON users USING gin (name gin_trgm_ops);
CREATE INDEX users_email_trigrams_idx ON users USING gin (email gin_trgm_ops);

-- Every word of the text, or the beginning of it.
CREATE FUNCTION search_words(searched text) RETURNS tsquery LANGUAGE sql IMMUTABLE AS $$
    SELECT to_tsquery('simple', coalesce(string_agg(word || ':*', ' & '), ''))
    FROM regexp_split_to_table(lower(searched), '[^[:alnum:]]+') AS word
    WHERE word <> ''
$$;

-- Products that hold every word of the text, or the beginning of it, in their name or description; and for a single
-- word those whose name holds something so much like it that it may be a typing error.
CREATE FUNCTION search_products(searched text) RETURNS SETOF uuid LANGUAGE sql STABLE ROWS 5
SET pg_trgm.word_similarity_threshold = 0.4
AS $$
    SELECT id FROM products WHERE to_tsvector('simple', name || ' ' || description) @@ search_words(searched)
    UNION SELECT id FROM products WHERE searched <% name AND searched !~ '\s'
$$;

-- The same for courses. (Both say that they return few rows, so that these are looked up one by one.)
CREATE FUNCTION search_courses(searched text) RETURNS SETOF uuid LANGUAGE sql STABLE ROWS 5
SET pg_trgm.word_similarity_threshold = 0.4
AS $$
    SELECT id FROM courses WHERE to_tsvector('simple', name || ' ' || description) @@ search_words(searched)
    UNION SELECT id FROM courses WHERE searched <% name AND searched !~ '\s'
$$;
