"""Where a decision bites: middlewares for applications, and answers for proxies.

A *keeper* holds the schedule and decides on the spot; a *source* brings it the schedule, from the server by HTTP or
straight from the control database. Nothing here imports a web framework.
"""
