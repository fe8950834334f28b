"""Entra ID: the official credential classes and the article's curl get tokens, and ARM judges tokens as Azure does."""

from typing import Any

import jwt
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential, ManagedIdentityCredential

from infra.local.emulator import scene
from tests.functional.emulator.client import ARM, Client

LOGIN = f"https://login.microsoftonline.com/{scene.TENANT_ID}"


@pytest.fixture
def environment(azure: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the host gives the app's worker processes."""
    monkeypatch.setenv("HTTPS_PROXY", azure.azure.proxy)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", azure.azure.ca)
    monkeypatch.setenv("SSL_CERT_FILE", azure.azure.ca)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{azure.azure.control}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", scene.IDENTITY_HEADER)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("audience", [ARM, "https://ml.azure.com"])
def test_the_official_secret_credential_gets_a_token(azure: Client, audience: str) -> None:
    """ClientSecretCredential: discovery, then the v2 endpoint; the token carries aud, tid, appid, oid, exp."""
    with ClientSecretCredential(scene.TENANT_ID, scene.CLIENT_ID, scene.CLIENT_SECRET) as credential:
        token = credential.get_token(f"{audience}/.default")
    claims = jwt.decode(token.token, options={"verify_signature": False})
    assert claims["aud"] == audience
    assert (claims["tid"], claims["appid"], claims["oid"]) == (scene.TENANT_ID, scene.CLIENT_ID, scene.OBJECT_ID)
    assert abs(claims["exp"] - token.expires_on) < 60
    keys = azure.session.get(f"{LOGIN}/discovery/v2.0/keys", timeout=20).json()["keys"]
    assert [key["kid"] for key in keys] == [jwt.get_unverified_header(token.token)["kid"]]
    assert jwt.decode(token.token, jwt.PyJWK(keys[0]), audience=audience)["ver"] == "1.0"


@pytest.mark.usefixtures("environment")
def test_the_official_managed_identity_credential_gets_a_token() -> None:
    """ManagedIdentityCredential in its App Service flavour: plain http, X-IDENTITY-HEADER."""
    with ManagedIdentityCredential() as credential:
        claims = jwt.decode(credential.get_token(f"{ARM}/.default").token, options={"verify_signature": False})
    assert claims["oid"] == scene.MANAGED_IDENTITY_OBJECT_ID


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("tenant", "client", "secret", "code"),
    [
        (scene.TENANT_ID, scene.CLIENT_ID, "wrong", "AADSTS7000215"),
        (scene.TENANT_ID, "99999999-9999-9999-9999-999999999999", scene.CLIENT_SECRET, "AADSTS700016"),
        ("99999999-9999-9999-9999-999999999999", scene.CLIENT_ID, scene.CLIENT_SECRET, "tenant"),
    ],
)
def test_wrong_credentials_are_refused_as_entra_id_refuses_them(tenant: str, client: str, secret: str, code: str) -> None:
    """The official client sees the AADSTS code it would see in Azure."""
    with ClientSecretCredential(tenant, client, secret) as credential, pytest.raises(ClientAuthenticationError, match=code):
        credential.get_token(f"{ARM}/.default")


def test_the_articles_token_has_text_for_numbers(azure: Client) -> None:
    """The v1 endpoint answers `expires_in` and its siblings as strings."""
    form = {
        "grant_type": "client_credentials",
        "resource": f"{ARM}/",
        "client_id": scene.CLIENT_ID,
        "client_secret": scene.CLIENT_SECRET,
    }
    body = azure.session.post(f"{LOGIN}/oauth2/token", data=form, timeout=20).json()
    assert set(body) == {"token_type", "expires_in", "ext_expires_in", "expires_on", "not_before", "resource", "access_token"}
    assert all(isinstance(body[name], str) for name in body)
    assert body["resource"] == f"{ARM}/"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"client_secret": "no"}, 401, 7000215),
        ({"client_id": ""}, 400, 900144),
        ({"grant_type": "password"}, 400, 70003),
        ({"resource": "https://unknown.example"}, 400, 500011),
    ],
)
def test_a_bad_token_request_names_its_aadsts_code(azure: Client, change: dict[str, str], status: int, code: int) -> None:
    """`error_codes`, `error_description`, `trace_id` as Entra ID sends them."""
    form = {
        "grant_type": "client_credentials",
        "resource": f"{ARM}/",
        "client_id": scene.CLIENT_ID,
        "client_secret": scene.CLIENT_SECRET,
    }
    answer = azure.session.post(f"{LOGIN}/oauth2/token", data={**form, **change}, timeout=20)
    assert answer.status_code == status
    assert answer.json()["error_codes"] == [code]
    assert answer.json()["error_description"].startswith(f"AADSTS{code}: ")


def test_an_unknown_tenant_is_told_at_discovery(azure: Client) -> None:
    """AADSTS90002, 400."""
    url = "https://login.microsoftonline.com/nobody.example/v2.0/.well-known/openid-configuration"
    answer = azure.session.get(url, timeout=20)
    assert (answer.status_code, answer.json()["error_codes"]) == (400, [90002])


def _arm_with(azure: Client, authorization: str | None) -> Any:
    headers = {"Authorization": authorization} if authorization else {}
    return azure.session.get(f"{ARM}/subscriptions?api-version=2022-12-01", headers=headers, timeout=20)


def test_arm_wants_a_token_for_itself(azure: Client) -> None:
    """No token, a broken one, and one for another audience: three codes, each 401 with a challenge."""
    cases = {
        None: "AuthenticationFailed",
        "Bearer not.a.token": "InvalidAuthenticationToken",
        f"Bearer {azure.token('https://ml.azure.com')}": "InvalidAuthenticationTokenAudience",
    }
    for authorization, code in cases.items():
        answer = _arm_with(azure, authorization)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


def test_a_token_expires_by_the_local_azures_clock(azure: Client) -> None:
    """ExpiredAuthenticationToken, with error="invalid_token" in the challenge."""
    azure.control("POST", "tokens", {"lifetime_s": 60})
    authorization = f"Bearer {azure.token()}"
    assert _arm_with(azure, authorization).status_code == 200
    azure.control("POST", "clock", {"advance_s": 61})
    answer = _arm_with(azure, authorization)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "ExpiredAuthenticationToken")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_revoked_token_reads_as_expired(azure: Client) -> None:
    """For tests of the one repeat after a refresh."""
    token = azure.token()
    azure.control("POST", "tokens", {"revoke": token})
    assert _arm_with(azure, f"Bearer {token}").json()["error"]["code"] == "ExpiredAuthenticationToken"
