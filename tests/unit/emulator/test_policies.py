"""Early termination, with the numbers of Azure's own documentation."""

import pytest

from infra.local.emulator.runner.sweeps import policies


@pytest.mark.parametrize(("reports", "due"), [(1, False), (4, False), (5, False), (6, True), (7, False), (8, True)])
def test_a_policy_is_applied_at_multiples_of_its_interval_after_the_delay(reports: int, due: bool) -> None:  # noqa: FBT001
    """evaluation_interval 2, delay_evaluation 5."""
    assert policies.due(policies.Policy(kind="Bandit", interval=2, delay=5), reports) is due


@pytest.mark.parametrize(("mine", "ends"), [(0.66, True), (0.67, False)])
def test_a_bandit_ends_what_is_further_from_the_best_than_the_factor(mine: float, ends: bool) -> None:  # noqa: FBT001
    """The best is 0.8: less than 0.8 / (1 + 0.2) ends."""
    histories = {"best": [0.5, 0.8], "mine": [0.1, mine]}
    policy = policies.Policy(kind="Bandit", slack_factor=0.2)
    assert policies.ends(policy, "mine", 2, histories, ["mine"], maximize=True) is ends


def test_a_bandit_for_a_loss_takes_an_amount() -> None:
    """0.3 more than the least loss is too much for 0.2."""
    histories = {"best": [0.1], "mine": [0.4], "near": [0.25]}
    policy = policies.Policy(kind="Bandit", slack_amount=0.2)
    ended = {name: policies.ends(policy, name, 1, histories, [], maximize=False) for name in histories}
    assert ended == {"best": False, "mine": True, "near": False}


def test_a_trial_is_compared_with_others_at_the_same_interval_only() -> None:
    """What another reached later does not count now."""
    histories = {"early": [0.5, 0.9, 1.0], "mine": [0.5]}
    assert not policies.ends(policies.Policy(kind="Bandit", slack_factor=0.1), "mine", 1, histories, [], maximize=True)


def test_median_stopping_compares_the_best_with_the_median_of_averages() -> None:
    """Averages 0.8, 0.6 and 0.25; the best of the third is 0.3."""
    histories = {"a": [0.8, 0.8], "b": [0.6, 0.6], "c": [0.2, 0.3]}
    policy = policies.Policy(kind="MedianStopping")
    assert [policies.ends(policy, name, 2, histories, [], maximize=True) for name in histories] == [False, False, True]


def test_truncation_ends_the_lowest_share() -> None:
    """25 percent of eight trials are two; with those that ended left out, one of four."""
    histories = {str(n): [n / 10] for n in range(8)}
    policy = policies.Policy(kind="TruncationSelection", percentage=25)
    assert [name for name in histories if policies.ends(policy, name, 1, histories, [], maximize=True)] == ["0", "1"]
    alone = policies.Policy(kind="TruncationSelection", percentage=25, without_finished=True)
    running = ["4", "5", "6", "7"]
    assert [name for name in running if policies.ends(alone, name, 1, histories, running, maximize=True)] == ["4"]
