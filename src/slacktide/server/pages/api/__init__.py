"""The REST API: everything that the console can do, for programs that come with a token of scope `api`.

A request is judged twice. The gate judges `login` of whoever it acts for, so that in a downtime a program gets no
further than its user would (`caller`). Then the operation is judged as it declares (`operation.Way`), and once more, by
the role of that moment, in the transaction that changes something. What an operation answers is the JSON document of
the command that does the same, made by the same function.

The parameters and bodies of operations are msgspec structs, and the OpenAPI document is made from these (`document`).
"""
