"""What the writers do to accounts, their invoices and the lines that name postings."""

from __future__ import annotations


class Bills:
    """The shapes of transactions on bills; `some`, `number` and `random` are the writer's."""

    def make_account(self, cursor):
        if cursor.execute("select count(*) from bare.account").fetchone()[0] < 10:
            cursor.execute(
                "insert into bare.account (property, name) values (%s, %s)", [self.random.choice("PPQ"), self.number()]
            )

    def make_invoice(self, cursor):
        few = cursor.execute("select count(*) from bare.invoice").fetchone()[0] < 25
        for account in self.some(cursor, "account", "account_id") if few else ():
            (key,) = cursor.execute(
                "insert into bare.invoice (account_id, number, issued) values (%s, %s, '2026-01-01') "
                "returning invoice_id",
                [account, f"I{self.random.randrange(60)}"],
            ).fetchone()
            for posting in self.some(cursor, "posting", "posting_id", count=2):
                cursor.execute(
                    "insert into bare.line (invoice_id, posting_id, amount) values (%s, %s, 1)", [key, posting]
                )

    def change_line(self, cursor):
        for key in self.some(cursor, "line", "line_id"):
            (to,) = self.some(cursor, "posting", "posting_id") or (None,)
            cursor.execute(
                "update bare.line set posting_id = %s, amount = amount + 1 where line_id = %s",
                [self.random.choice((to, None)), key],
            )

    def move_line(self, cursor):
        (to,) = self.some(cursor, "invoice", "invoice_id") or (None,)
        for key in self.some(cursor, "line", "line_id") if to else ():
            cursor.execute("update bare.line set invoice_id = %s where line_id = %s", [to, key])

    def move_invoice(self, cursor):
        (to,) = self.some(cursor, "account", "account_id") or (None,)
        for key in self.some(cursor, "invoice", "invoice_id") if to else ():
            cursor.execute("update bare.invoice set account_id = %s where invoice_id = %s", [to, key])

    def delete_invoice(self, cursor):
        """Delete an invoice, and sometimes a posting that it named."""
        for key in self.some(cursor, "invoice", "invoice_id"):
            named = cursor.execute("delete from bare.line where invoice_id = %s returning posting_id", [key]).fetchall()
            cursor.execute("delete from bare.invoice where invoice_id = %s", [key])
            for (posting,) in named:
                if posting is not None and self.random.random() < 0.5:
                    cursor.execute("update bare.line set posting_id = null where posting_id = %s", [posting])
                    cursor.execute("delete from bare.posting where posting_id = %s", [posting])

    def delete_account(self, cursor):
        for key in self.some(cursor, "account", "account_id"):
            cursor.execute(
                "delete from bare.line where invoice_id in (select invoice_id from bare.invoice where account_id = %s)",
                [key],
            )
            cursor.execute("delete from bare.invoice where account_id = %s", [key])
            cursor.execute("delete from bare.account where account_id = %s", [key])
