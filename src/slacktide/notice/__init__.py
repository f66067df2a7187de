"""Notices: those concerned are told of a downtime, as mail, as a banner on the pages, and by a signed webhook.

What has been told of a downtime, and of each occurrence of a recurring one, is kept. A look compares that with what is
saved now and tells the difference, so that it does not matter how often, when and by whom it is looked. The events:

1. Two workers look at once: the second waits for the first one's commit, and finds that it has been told.
2. A worker is killed while it plans: what is told, its notice and all its deliveries are one transaction, or nothing.
3. A worker is killed between its claim of a delivery and the sending: its number's lock goes with its connection; any
   worker finds that, and the delivery is sent.
4. A worker is killed between the sending and the note of it: nobody can know whether it arrived, so it is sent again,
   under the same Message-ID or webhook-id and with the same content. Each such kill costs one repeat at the most,
   which whoever gets it can recognise. A kill at any other moment repeats nothing.
5. A worker loses the control database while it sends, and another one takes over: as 4; the first one's note cannot
   come through, since it goes over the connection that was lost.
6. A delivery kills each worker that tries it: a claim counts as an attempt before it is made, so that it is given up.
7. A downtime is extended, moved or cancelled between planning and sending: a delivery is claimed only if the planning
   has seen the downtime as it is saved now; what it has found older is superseded by the newer notice. What is changed
   after the claim is told by the next notice, which is not sent before that one is done.
8. It is scheduled when some of its lead times have passed: one notice, at once, for all of these.
9. It is cancelled before any notice was due: nobody was told, so nobody is told.
10. All workers are away while a downtime begins and ends: who was told that it would come is told that it is over; of
    one that nobody was told of, nothing is said afterwards.
11. A user is disabled, or loses the role or the address, before the sending: who is concerned is asked again with the
    claim, and the delivery withdrawn. The address is the one of that moment.
12. The mail server cannot be reached, or does not take our log-in: no delivery is to blame, and none uses up an
    attempt; the whole channel waits, longer each time, visibly. What could not be sent within a day is given up.
13. One recipient is refused, or its server hangs: that delivery alone is tried later, or given up; the others go on.
14. The webhook answers with anything but 2xx, a redirect too, or not in time: it is tried again later, and given up.
15. A mail asks to act on a task of an organization that is down: it waits for the end; notices go on.

Modules: `rule` (what is due), `occurrence`, `state`, `failure`, `wording`, `banner` (pure); `planner`, `store` (the
tables), `mail`, `webhook`, `sender`, `task`, `listing`.
"""
