CREATE TABLE country_discounts (
    country text NOT NULL,
    percent_off integer NOT NULL,
    CONSTRAINT country_discounts_pkey PRIMARY KEY (country),
    CONSTRAINT country_discounts_country_format CHECK (country ~ '^[A-Z]{2}$'),
    CONSTRAINT country_discounts_percent_off_range CHECK (percent_off BETWEEN 1 AND 100)
);
SELECT add_audit_columns('country_discounts');

COMMENT ON TABLE country_discounts IS 'Discounts by purchasing power. A tier is the countries of one percentage; the key holds each country to one tier.';
COMMENT ON COLUMN country_discounts.country IS 'ISO 3166-1 alpha-2.';

INSERT INTO country_discounts (percent_off, country)
SELECT percent_off, unnest(string_to_array(countries, ' ')) FROM (VALUES
    (50, 'AF AL AM AO AZ BA BD BF BG BH BI BJ BO BT BW BY CD CF CI CM CO CV DO DZ EC EG ER ET FJ GE'
        || ' GH GM GN GQ GW GY HN HR HU ID IN IR JO KE KG KH KM KZ LA LB LK LR LS LY MA MD ME MG MK ML'
        || ' MM MN MR MU MV MW MY MZ NA NE NG NI NP PA PE PH PK PL PY RO RS RU RW SC SD SL SN SO SR SV'
        || ' SZ TD TG TH TJ TN TR TW TZ UA UG UZ VN YE ZA ZM'),
    (40, 'AR BN BR CL CN CR CZ DJ GA GD GR GT HT IQ JM KN LT LV MO MX PT SA SI SK ST TL TM VC'),
    (30, 'AE AW BZ CG CY DM EE ES IT KR MT OM SG TO VE WS ZW'),
    (20, 'AG AT BE BS DE FR HK JP KI KW LC PG QA TT UY')
) AS tiers (percent_off, countries);
