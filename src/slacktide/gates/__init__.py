"""Where a decision bites: middlewares for applications, and answers for proxies.

A *keeper* holds the schedule and decides on the spot; a *source* brings it the schedule, from the server by HTTP or
straight from the control database. `command` is the gate before a command of one's own. Nothing here imports a web
framework.
"""
