DROP TABLE country_discounts;
