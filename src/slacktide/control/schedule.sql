-- name: one_instant
-- Let all that the transaction reads be as of one instant.
set transaction isolation level repeatable read, read only;
