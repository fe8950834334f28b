"""A bearer token goes to hosts of the configured cloud and nowhere else, whoever named the URL."""

from __future__ import annotations

import pytest
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.rest import clouds, errors
from tests import tables

ARM = {cloud.name: cloud.arm for cloud in clouds.CLOUDS.values()}


@pytest.mark.parametrize("cloud", clouds.CLOUDS.values(), ids=lambda cloud: cloud.name)
def test_every_cloud_knows_its_own_hosts(cloud):
    """ARM and regional ARM take the ARM audience, the machine learning hosts their own."""
    arm_host = cloud.arm.removeprefix("https://")
    assert clouds.scope_for(cloud, f"{cloud.arm}/subscriptions?api-version=1") == f"{cloud.arm}/.default"
    assert clouds.scope_for(cloud, f"https://westeurope.{arm_host}/x") == cloud.arm_scope
    for suffix in cloud.token_suffixes:
        if not suffix.endswith(arm_host):
            assert clouds.scope_for(cloud, f"https://region{suffix}/x") == f"{cloud.ml_audience}/.default"


def test_the_public_cloud_has_the_audiences_that_recordings_show():
    """docs/protocol.md §8: two audiences."""
    assert clouds.scope_for(clouds.PUBLIC, "https://management.azure.com/x") == "https://management.azure.com/.default"
    assert clouds.scope_for(clouds.PUBLIC, "https://westeurope.api.azureml.ms/x") == "https://ml.azure.com/.default"
    assert clouds.scope_for(clouds.PUBLIC, "https://westeurope.experiments.azureml.net/x") == "https://ml.azure.com/.default"
    assert clouds.scope_for(clouds.PUBLIC, "https://westeurope.modelmanagement.azureml.net/x") == "https://ml.azure.com/.default"


@pytest.mark.parametrize("cloud", clouds.CLOUDS.values(), ids=lambda cloud: cloud.name)
@pytest.mark.parametrize("other", clouds.CLOUDS.values(), ids=lambda cloud: f"asked for {cloud.name}")
def test_a_cloud_trusts_no_host_of_another(cloud, other):
    """A token of one cloud means nothing to another but could be kept there."""
    if cloud is not other:
        with pytest.raises(errors.BadRequestError) as refused:
            clouds.scope_for(cloud, f"{other.arm}/subscriptions")
        assert (refused.value.error.code, refused.value.status) == ("HostNotAllowed", 502)


@pytest.mark.parametrize(
    "url", ["https://MANAGEMENT.AZURE.COM/x", "HTTPS://management.azure.com:443/x", "https://management.azure.com?x"]
)
def test_casing_and_the_default_port_do_not_matter(url):
    """Azure's own casing is not stable."""
    assert clouds.scope_for(clouds.PUBLIC, url) == clouds.PUBLIC.arm_scope


@tables.each(
    "url",
    [
        "http://management.azure.com/x",
        "ftp://management.azure.com/x",
        "//management.azure.com/x",
        "management.azure.com/x",
        "/subscriptions/s",
        "",
        "https://",
        "https:///x",
        "https://management.azure.com.evil.com/x",
        "https://evilmanagement.azure.com/x",
        "https://management.azure.com./x",
        "https://management.azure.com:8443/x",
        "https://management.azure.com:99999999/x",
        "https://management.azure.com:port/x",
        "https://user@management.azure.com/x",
        "https://user:password@management.azure.com/x",
        "https://@management.azure.com/x",
        "https://management.azure.com@evil.com/x",
        "https://management.azure.com:443@evil.com/x",
        "https://evil.com/https://management.azure.com/x",
        "https://evil.com?.api.azureml.ms/x",
        "https://evil.com#.api.azureml.ms/x",
        "https://evil.com\\.api.azureml.ms/x",
        "https://evil.com\\@management.azure.com/x",
        "https://management.azure.com\\@evil.com/x",
        "https://evil.com\t.api.azureml.ms/x",
        "https://evil.com\n.api.azureml.ms/x",
        "https://evil.com%2f.api.azureml.ms/x",
        "https://evil.com\u2044.api.azureml.ms/x",
        "https://evil.com\uff0f.api.azureml.ms/x",
        "https://management\uff0eazure.com/x",
        "https://mana\u0261ement.azure.com/x",
        "https://xn--managment-9fb.azure.com/x",
        "https://westeurope.api.a\u017furemlms/x",
        "https://westeurope.api.azureml.m\u017f/x",
        "https://\u212b.api.azureml.ms/x",
        "https://api.azureml.ms/x",
        "https://.api.azureml.ms/x",
        "https://[::1].api.azureml.ms/x",
        "https://[::1]/x",
        "https://127.0.0.1/x",
        "https://acct.blob.core.windows.net/x",
        "https://e.westeurope.inference.ml.azure.com/score",
        " https://management.azure.com/x",
        "https://management.azure.com /x",
    ],
)
def test_a_hostile_url_gets_no_token(url):
    """User info, ports, suffix tricks, characters that two parsers read differently."""
    with pytest.raises(errors.BadRequestError) as refused:
        clouds.scope_for(clouds.PUBLIC, url)
    assert refused.value.error.code == "HostNotAllowed"
    assert "password" not in str(refused.value)


@given(
    st.text(max_size=60) | st.from_regex(r"https://[a-z@:/\\.%?#\[\]\t]{0,20}\.api\.azureml\.ms[/?#\\:@]?.{0,5}", fullmatch=True)
)
@settings(max_examples=100_000 if tables.WHOLE else 500, deadline=None)
@pytest.mark.sweep
def test_any_text_gives_a_scope_or_host_not_allowed(url):
    """Whatever a response names as a URL, and only if every parser reads the same host."""
    try:
        clouds.scope_for(clouds.PUBLIC, url)
    except errors.BadRequestError:
        return
    assert (urllib3.util.parse_url(url).host or "").endswith((".api.azureml.ms", "management.azure.com"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://acct.blob.core.windows.net/c/b?sig=x", True),
        ("https://acct.BLOB.core.windows.net:443/c", True),
        ("http://acct.blob.core.windows.net/c", False),
        ("https://acct.blob.core.windows.net.evil.com/c", False),
        ("https://evil.com\\.blob.core.windows.net/c", False),
        ("https://acct.table.core.windows.net/c", False),
        ("https://acct.blob.core.usgovcloudapi.net/c", False),
        ("https://[::1", False),
    ],
)
def test_a_signed_url_must_be_blob_storage_of_the_cloud(url, expected):
    """A SAS goes to the storage that Azure ML named, not to a name that looks like it."""
    assert clouds.is_storage(clouds.PUBLIC, url) is expected
