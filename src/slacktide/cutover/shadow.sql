-- name: identity
-- Which database this is: the cluster's own number, and the database's name.
select (select system_identifier::text from pg_control_system()), current_database()

-- name: settings
-- How a database's text is encoded and sorted, for another one like it.
select pg_encoding_to_char(encoding), datcollate, datctype from pg_database where datname = current_database()

-- name: guarded
-- Whether anything is guarded in this database.
select exists (select from pg_trigger where tgname like 'slacktide\_guard\_%')

-- name: forget_stand_in
-- Forget the organization that stood for the property.
delete from slacktide.guard_closing where organization = %(organization)s
