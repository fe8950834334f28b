"""Tokens: one cached per scope, renewed before it ends, one renewal at a time; and how the app signs in."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError, ServiceResponseError
from azure.identity import ClientSecretCredential, CredentialUnavailableError, DefaultAzureCredential, ManagedIdentityCredential

from shared.rest import clouds, errors, tokens

ARM = "https://management.azure.com/.default"
ML = "https://ml.azure.com/.default"
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"


class SignIn:
    """A credential that numbers its tokens; `life_s` is how long each is good for."""

    def __init__(self, clock, life_s=3_600, failure=None):
        self.clock, self.life_s, self.failure = clock, life_s, failure
        self.scopes: list[str] = []
        self.entered = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def get_token(self, scope):
        """Return the next token, once `go_on` is set."""
        self.scopes.append(scope)
        self.entered.set()
        self.go_on.wait(10)
        if self.failure:
            raise self.failure
        return AccessToken(f"token-{len(self.scopes)}", int(self.clock() + self.life_s))


class Clock:
    """Seconds that pass when told to."""

    now = 1_800_000_000.0

    def __call__(self):
        """Return the present."""
        return self.now


@pytest.fixture
def clock():
    """A clock that stands still."""
    return Clock()


def test_one_token_is_cached_per_scope(clock):
    """Two audiences, two sign-ins, however many requests."""
    sign_in = SignIn(clock)
    signed_in = tokens.Tokens(lambda: sign_in, clock=clock)
    assert [signed_in.get(scope) for scope in (ARM, ML, ARM, ML)] == ["token-1", "token-2", "token-1", "token-2"]
    assert sign_in.scopes == [ARM, ML]


def test_a_token_is_renewed_before_it_ends(clock):
    """Five minutes before its end a token is not used for a request that may take a while."""
    sign_in = SignIn(clock)
    signed_in = tokens.Tokens(lambda: sign_in, clock=clock)
    signed_in.get(ARM)
    clock.now += 3_600 - tokens.RENEW_BEFORE_S
    assert signed_in.get(ARM) == "token-1"
    clock.now += 1
    assert signed_in.get(ARM) == "token-2"


def test_sixteen_threads_cause_one_sign_in(clock):
    """One refresh at a time: the others wait for it and take its token."""
    sign_in = SignIn(clock)
    sign_in.go_on.clear()
    signed_in = tokens.Tokens(lambda: sign_in, clock=clock)
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(signed_in.get, ARM) for _ in range(16)]
        assert sign_in.entered.wait(10)
        sign_in.go_on.set()
        assert {future.result() for future in asked} == {"token-1"}
    assert sign_in.scopes == [ARM]


def test_a_slow_sign_in_for_one_scope_does_not_hold_up_another(clock):
    """Locks are per scope."""
    slow = SignIn(clock)
    slow.go_on.clear()
    signed_in = tokens.Tokens(lambda: slow, clock=clock)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(signed_in.get, ARM)
        assert slow.entered.wait(10)
        signed_in._credential = SignIn(clock)
        assert signed_in.get(ML) == "token-1"
        slow.go_on.set()
        assert waiting.result() == "token-1"


def test_threads_whose_token_was_rejected_share_one_renewal(clock):
    """Sixteen 401s for one token are answered by one new token, of a new credential: the old one caches what was rejected."""
    made = []

    def make():
        made.append(SignIn(clock))
        made[-1].scopes += [f"from credential {len(made)}"] * (len(made) - 1)
        return made[-1]

    signed_in = tokens.Tokens(make, clock=clock)
    assert signed_in.get(ARM) == "token-1"
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(lambda _: signed_in.renew(ARM, "token-1"), range(16))) == {"token-2"}
    assert len(made) == 2
    assert made[1].scopes.count(ARM) == 1


def test_a_renewal_that_came_first_is_taken(clock):
    """The thread that lost the race gets the winner's token without a sign-in."""
    sign_in = SignIn(clock)
    signed_in = tokens.Tokens(lambda: sign_in, clock=clock)
    first = signed_in.get(ARM)
    second = signed_in.renew(ARM, first)
    assert signed_in.renew(ARM, first) == second == "token-2"
    assert len(sign_in.scopes) == 2


def test_a_refused_sign_in_says_why_and_hides_the_tenant(clock):
    """Entra ID's first line holds the AADSTS code; its trace ids and the tenant are not for callers."""
    message = f"AADSTS7000215: Invalid client secret provided for tenant '{TENANT}'.\nTrace ID: 1"
    signed_in = tokens.Tokens(lambda: SignIn(clock, failure=ClientAuthenticationError(message)), clock=clock)
    with pytest.raises(errors.RejectedError) as raised:
        signed_in.get(ARM)
    assert (raised.value.error.code, raised.value.status) == ("SignInFailed", 502)
    assert "AADSTS7000215" in raised.value.error.message
    assert ARM in raised.value.error.message
    assert TENANT not in raised.value.error.message
    assert "Trace" not in raised.value.error.message


@pytest.mark.parametrize("failure", [CredentialUnavailableError(message="no identity is assigned"), ClientAuthenticationError("")])
def test_no_credential_at_all_is_a_failed_sign_in(clock, failure):
    """Nothing to retry until somebody sets one up."""
    with pytest.raises(errors.RejectedError, match="SignInFailed"):
        tokens.Tokens(lambda: SignIn(clock, failure=failure), clock=clock).get(ARM)


@pytest.mark.parametrize("failure", [ServiceRequestError("refused"), ServiceResponseError("read timed out")])
def test_a_silent_sign_in_service_is_unreachable(clock, failure):
    """Worth trying again; nothing can have reached Azure."""
    with pytest.raises(errors.UnreachableError) as raised:
        tokens.Tokens(lambda: SignIn(clock, failure=failure), clock=clock).get(ARM)
    assert (raised.value.maybe_arrived, raised.value.delay_s) == (False, tokens.RETRY_DELAY_S)


def test_a_silent_service_is_unreachable_also_when_wrapped_as_authentication_failure(clock):
    """azure-identity calls a dead connection an authentication failure."""
    wrapped = ClientAuthenticationError("failed")
    wrapped.__cause__ = ServiceRequestError("connection refused")
    with pytest.raises(errors.UnreachableError):
        tokens.Tokens(lambda: SignIn(clock, failure=wrapped), clock=clock).get(ARM)


def test_a_failed_sign_in_is_tried_again_by_the_next_request(clock):
    """A failure is not cached."""
    sign_in = SignIn(clock, failure=ServiceRequestError("down"))
    signed_in = tokens.Tokens(lambda: sign_in, clock=clock)
    with pytest.raises(errors.UnreachableError):
        signed_in.get(ARM)
    sign_in.failure = None
    assert signed_in.get(ARM) == "token-2"


@pytest.mark.parametrize(
    "environ",
    [
        {"AZURE_TENANT_ID": "no such tenant!", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s"},
        {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s", "AZURE_AUTHORITY_HOST": "http://plain"},
    ],
)
def test_settings_that_azure_identity_refuses_are_a_failed_sign_in(clock, environ):
    """A ValueError of azure-identity would otherwise look like a bug of ours."""
    with pytest.raises(errors.RejectedError, match="SignInFailed"):
        tokens.Tokens(lambda: tokens.credential_from(environ, clouds.PUBLIC), clock=clock).get(ARM)


SECRET = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s"}


@pytest.mark.parametrize(
    ("environ", "kind"),
    [
        (SECRET, ClientSecretCredential),
        ({**SECRET, "IDENTITY_ENDPOINT": "http://127.0.0.1/msi"}, ClientSecretCredential),
        ({"IDENTITY_ENDPOINT": "http://127.0.0.1/msi"}, ManagedIdentityCredential),
        ({"IDENTITY_ENDPOINT": "http://127.0.0.1/msi", "AZURE_CLIENT_ID": "user-assigned"}, ManagedIdentityCredential),
        ({**SECRET, "AZURE_CLIENT_SECRET": "", "IDENTITY_ENDPOINT": "http://127.0.0.1/msi"}, ManagedIdentityCredential),
        ({"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c"}, DefaultAzureCredential),
        ({}, DefaultAzureCredential),
    ],
)
def test_the_environment_chooses_how_to_sign_in(environ, kind):
    """Service principal (the article's flow), managed identity in Azure, the developer's own sign-in elsewhere."""
    credential = tokens.credential_from(environ, clouds.PUBLIC)
    assert type(credential) is kind
    if hasattr(credential, "close"):
        credential.close()


@pytest.mark.parametrize("cloud", clouds.CLOUDS.values(), ids=lambda cloud: cloud.name)
def test_each_cloud_signs_in_at_its_own_authority(cloud, monkeypatch):
    """A secret of the China cloud goes to no other."""
    seen = {}
    monkeypatch.setattr("azure.identity.ClientSecretCredential", lambda *args, **kwargs: seen.update(kwargs) or args)
    assert tokens.credential_from(SECRET, cloud) == ("t", "c", "s")
    assert seen == {"authority": cloud.authority, **tokens.LIMITS}
    tokens.credential_from({**SECRET, "AZURE_AUTHORITY_HOST": "https://own.example"}, cloud)
    assert seen["authority"] == "https://own.example"
