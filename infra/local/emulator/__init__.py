"""The local Azure: identity, ARM and Azure Machine Learning under their real host names, on one machine.

A folder is a service, or a kind of resources of one, and its files have one rhythm: `resources` holds the handlers, `responses`
what an answer shows, `state` what is kept, `refusals` what is refused, with its rows of the table of refusals. A file that would
be empty is not there: a kind whose answers are the kept bodies has no `responses`, one that keeps nothing of its own no `state`.
Other files are named after what they hold (`triggers`, `vm_sizes`). `services` joins the services, `refusals` the rows.
"""
