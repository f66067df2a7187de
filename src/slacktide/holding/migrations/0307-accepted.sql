-- Whether the ERP has said that it has accepted what was sent: else it may not have arrived, and nothing overtakes it.
-- depends: 0306-sent-to

alter table slacktide.held_item add column if not exists accepted boolean not null default false;
