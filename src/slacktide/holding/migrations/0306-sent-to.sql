-- Where an import was sent, by reference: its result is read there, wherever its organization lives meanwhile.
-- depends: 0305-dates

alter table slacktide.held_item add column if not exists sent_to text;
