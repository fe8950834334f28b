"""The app: registers each blueprint, nothing else, ever."""

import azure.functions as func

from functions import cleanup, hooks, poll, reconcile, routes

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

app.register_functions(routes.blueprint)  # HTTP   every path of the table of routes; what no route takes; arm/
app.register_functions(poll.blueprint)  # queue  one step of one record, of every machine; and the poison queues
app.register_functions(reconcile.blueprint)  # timer  what lost its message; what is old
app.register_functions(cleanup.blueprint)  # timer  stale models, idle computes
app.register_functions(hooks.blueprint)  # Event Grid + queue  events in; rules
