-- What a source keeps of ours besides the guard. Made by `prepare`, taken away by `clean`.
create schema if not exists slacktide;

-- Replica identities as they were before `prepare` set them, of tables and leaves, so that `clean` can put them back.
create table if not exists slacktide.identity_before (
    relation regclass primary key,
    identity "char" not null,
    index regclass
);

-- A text in COPY's form, and that in XML's: what XML alters or cannot hold is written with backslashes. Compared by bytes:
-- a collation without case cannot be searched before PostgreSQL 18. The last two characters exist in UTF8 only; in their
-- place another encoding looks for one of which there is none left.
create or replace function slacktide.escape(value text) returns text
language sql immutable parallel safe set search_path = pg_catalog as $$
select
    replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(value collate "C"
        , '\', '\\')
        , chr(1), '\x01')
        , chr(2), '\x02')
        , chr(3), '\x03')
        , chr(4), '\x04')
        , chr(5), '\x05')
        , chr(6), '\x06')
        , chr(7), '\x07')
        , chr(8), '\b')
        , chr(9), '\t')
        , chr(10), '\n')
        , chr(11), '\v')
        , chr(12), '\f')
        , chr(13), '\r')
        , chr(14), '\x0e')
        , chr(15), '\x0f')
        , chr(16), '\x10')
        , chr(17), '\x11')
        , chr(18), '\x12')
        , chr(19), '\x13')
        , chr(20), '\x14')
        , chr(21), '\x15')
        , chr(22), '\x16')
        , chr(23), '\x17')
        , chr(24), '\x18')
        , chr(25), '\x19')
        , chr(26), '\x1a')
        , chr(27), '\x1b')
        , chr(28), '\x1c')
        , chr(29), '\x1d')
        , chr(30), '\x1e')
        , chr(31), '\x1f')
        , chr(127), '\x7f')
        , chr(case getdatabaseencoding() when 'UTF8' then 65534 else 1 end), '\xef\xbf\xbe')
        , chr(case getdatabaseencoding() when 'UTF8' then 65535 else 1 end), '\xef\xbf\xbf')
        , '&', '&amp;')
        , '<', '&lt;')
        , '>', '&gt;')
        , '"', '&quot;')
$$;
