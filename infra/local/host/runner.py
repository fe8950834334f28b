"""Runs one function once: the way every trigger calls it. Logs begin and end as the platform does.

It does not decide what a failure means; the trigger does.
"""

import logging
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

from infra.local.host.functions import Function
from infra.local.host.invocation import Invocation, InvocationLostError, Result, Value
from infra.local.host.pool import Pool

Deliver = Callable[[Function, Result], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """What a run needs.

    Attributes:
        pool: Where it runs.
        deliver: Hands on what the function wrote to its output bindings.
    """

    pool: Pool
    deliver: Deliver = field(default=lambda _function, _result: None)

    def run(  # noqa: PLR0913 - one call, every trigger's needs
        self,
        function: Function,
        inputs: Mapping[str, Value],
        *,
        reason: str,
        metadata: Mapping[str, Value] | None = None,
        trace_parent: str = "",
        limit_s: float | None = None,
        every_s: float | None = None,
        while_running: Callable[[], None] = lambda: None,
    ) -> Result:
        """Run a function and wait for its end.

        Args:
            function: Which.
            inputs: Binding name to value.
            reason: Why it runs, for the log.
            metadata: Trigger metadata.
            trace_parent: W3C ``traceparent`` of the caller.
            limit_s: Stop waiting after so many seconds; the function goes on.
            every_s: Call ``while_running`` every so many seconds.
            while_running: See ``every_s``.

        Raises:
            TimeoutError: ``limit_s`` is over.
            InvocationLostError: The worker process ended meanwhile.
        """
        invocation = Invocation(
            function_id=function.id, inputs=dict(inputs), metadata=dict(metadata or {}), trace_parent=trace_parent
        )
        log = logging.getLogger(f"Function.{function.name}")
        log.info("Executing 'Functions.%s' (Reason='%s', Id=%s)", function.name, reason, invocation.id)
        started = time.monotonic()
        try:
            result = _wait(self.pool.invoke(invocation), limit_s, every_s, while_running)
            result = self._delivered(function, result)
        except (InvocationLostError, TimeoutError) as problem:
            log.error("Executed 'Functions.%s' (Unknown: %s, Id=%s)", function.name, problem, invocation.id)  # noqa: TRY400
            raise
        duration_ms = (time.monotonic() - started) * 1000
        outcome = "Succeeded" if result.error is None else "Failed"
        log.log(
            logging.INFO if result.error is None else logging.ERROR,
            "Executed 'Functions.%s' (%s, Id=%s, Duration=%.0fms)%s",
            *(function.name, outcome, invocation.id, duration_ms, f"\n{result.stack}" if result.error else ""),
        )
        return result

    def _delivered(self, function: Function, result: Result) -> Result:
        """The result once its output bindings are written; failing to write them fails the run."""
        if result.error is None:
            try:
                self.deliver(function, result)
            except Exception as problem:  # noqa: BLE001 - storage, settings, encoding: all are the run's failure
                return Result(error=repr(problem), stack="".join(traceback.format_exception(problem)))
        return result


def _wait(future: Future[Result], limit_s: float | None, every_s: float | None, while_running: Callable[[], None]) -> Result:
    end = None if limit_s is None else time.monotonic() + limit_s
    while True:
        left = None if end is None else max(0.0, end - time.monotonic())
        waits = [wait for wait in (left, every_s) if wait is not None]
        try:
            return future.result(timeout=min(waits, default=None))
        except TimeoutError:
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"no answer within {limit_s:g} s") from None
            while_running()
