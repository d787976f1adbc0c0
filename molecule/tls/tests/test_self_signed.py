"""A certificate that was made here."""

from __future__ import annotations

import http.client
import ssl

import pytest
from platform_fixtures import verdict_of
from tls_fixtures import DOMAIN, HTTP_PORT, changed, eventually, fingerprint, https

HEALTHY = {"data": {"health": "API Gateway is running"}}


@pytest.fixture(scope="module")
def secrets(platform):
    return platform.cluster_dir / "secrets"


def key_lines(path):
    """The lines of a key that nobody may see; the last one is of its public half, which the certificate shows as well."""
    return path.read_text().splitlines()[1:-2]


def test_https_answers_under_the_name_and_proves_it(secrets):
    assert https(secrets / "ca.pem") == (HEALTHY, fingerprint(secrets / "server.pem"))


def test_another_name_is_not_proved(secrets):
    with pytest.raises(ssl.SSLCertVerificationError):
        https(secrets / "ca.pem", "other.test")


def test_clear_text_is_redirected_to_the_port_of_https():
    connection = http.client.HTTPConnection("127.0.0.1", HTTP_PORT, timeout=20)
    connection.request("GET", "/plans", headers={"Host": DOMAIN})
    answer = connection.getresponse()
    assert (answer.status in (302, 307), answer.headers["Location"]) == (True, f"https://{DOMAIN}:18443/plans")


def test_only_its_owner_reads_the_keys(secrets):
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in [secrets, *secrets.iterdir()]}
    assert modes == {"secrets": "0o700", "ca.key": "0o600", "ca.pem": "0o644", "server.key": "0o600", "server.pem": "0o600"}


def test_nothing_secret_is_in_the_release_or_the_records(platform, secrets):
    keys = [line for name in ("ca.key", "server.key") for line in key_lines(secrets / name)]
    assert len(keys) == 4
    helm = f"{platform.state_dir}/bin/helm --kubeconfig={platform.kubeconfig} --namespace=luckyplans"
    seen = platform.host.check_output(f"{helm} get all luckyplans")
    seen += "".join(path.read_text() for path in platform.cluster_dir.glob("*.json"))
    assert not [line for line in keys if line in seen]


def test_status_knows_how_long_it_is_valid(platform):
    result = platform.playbook("status.yml", "--extra-vars=output=json")
    assert result.rc == 0, result.stdout
    checks = {item["subject"]: item for item in verdict_of(result.stdout)["checks"]}
    assert checks[f"https://{DOMAIN}:18443/graphql"]["state"] == "healthy"
    assert "in 365 days" in checks[f"certificate {DOMAIN}"]["detail"]


def test_second_run_looks_once_and_changes_nothing(platform):
    result = platform.playbook("local.yml")
    assert changed(result) == 0
    assert "luckyplans.platform.tls : Self-signed" not in result.stdout


def test_every_role_finds_nothing_to_do(platform):
    result = platform.playbook("local.yml", "--extra-vars=preflight_skip_settled=false")
    assert "luckyplans.platform.tls : Self-signed" in result.stdout
    assert changed(result) == 0


def test_check_mode_foresees_another_certificate_and_shows_no_key(platform, secrets):
    result = platform.playbook("local.yml", "--check", "--diff", "-vvv", "--extra-vars=tls_renew_before=400")
    assert changed(result) > 0
    assert "PRIVATE KEY" not in result.stdout
    assert not [line for line in key_lines(secrets / "server.key") if line in result.stdout]


@pytest.mark.parametrize("run", ["first", "next, by the look at the whole platform"])
def test_one_that_is_due_is_made_anew(platform, secrets, run):
    before = fingerprint(secrets / "server.pem")
    assert changed(platform.playbook("local.yml", "--extra-vars=tls_renew_before=400")) > 0
    after = fingerprint(secrets / "server.pem")
    assert after != before
    assert eventually(lambda: https(secrets / "ca.pem")[1] == after)
