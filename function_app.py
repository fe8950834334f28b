"""The app: registers each blueprint, nothing else, ever."""

import azure.functions as func

from functions import act, browse, cleanup, dashboard, hooks, notify, operations, others, pages, poll, provision, reconcile, uploads

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

app.register_functions(provision.blueprint)  # HTTP   PUT, PATCH, DELETE any resource
app.register_functions(act.blueprint)  # HTTP   POST: actions, runs, scoring
app.register_functions(browse.blueprint)  # HTTP   GET any resource or collection
app.register_functions(uploads.blueprint)  # HTTP   room for large files
app.register_functions(operations.blueprint)  # HTTP   our own operations
app.register_functions(poll.blueprint)  # queue  one step of one operation; and its poison queue
app.register_functions(reconcile.blueprint)  # timer  what lost its message; what is old
app.register_functions(cleanup.blueprint)  # timer + HTTP  stale models, idle computes
app.register_functions(hooks.blueprint)  # Event Grid + HTTP + queue  events in; rules
app.register_functions(notify.blueprint)  # queue  tell others; and its poison queue
app.register_functions(dashboard.blueprint)  # HTTP   the page to look at, and its numbers
app.register_functions(pages.blueprint)  # HTTP   health
app.register_functions(others.blueprint)  # HTTP   what nothing else takes; arm/
