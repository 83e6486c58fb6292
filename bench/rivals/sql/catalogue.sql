-- W1. The first page of the catalogue. The next one would begin after the last product that is shown.
SELECT 200 AS status, CAST(json_build_object(
    'data', coalesce(json_agg(json_build_object(
        'id', id, 'name', name, 'description', description, 'imageUrl', image_url, 'priceInCents', price_in_cents,
        'currency', 'usd', 'status', status,
        'createdAt', to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'updatedAt', to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    )) FILTER (WHERE nth <= 20), '[]'),
    'nextCursor', CASE WHEN count(*) > 20 THEN max(created_at || ' ' || id) FILTER (WHERE nth = 20) END
) AS text) AS body
FROM (
    SELECT *, row_number() OVER (ORDER BY created_at DESC, id DESC) AS nth
    FROM products WHERE status = 'public' AND deleted_at IS NULL
    ORDER BY created_at DESC, id DESC LIMIT 21
) AS product
