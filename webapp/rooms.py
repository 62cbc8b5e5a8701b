"""The one list of the rooms that the application opens: pages, and calls of the API."""

from tenants.money.accounts import api as accounts_api
from tenants.money.accounts import pages as accounts_pages
from tenants.money.accounts import sharing_api, sharing_pages
from tenants.money.dashboard import api as dashboard_api
from tenants.money.dashboard import pages as dashboard_pages
from tenants.money.holds import api as holds_api
from tenants.money.holds import pages as holds_pages
from tenants.money.imports import api as imports_api
from tenants.money.imports import mapping_pages, row_pages, rows_api, steps_api
from tenants.money.imports import pages as imports_pages
from tenants.money.ledger import api as ledger_api
from tenants.money.ledger import bookings_api, change_pages, changes_api, entry_form_pages, entry_pages, views_api
from tenants.money.ledger import pages as ledger_pages
from tenants.money.periods import api as periods_api
from tenants.money.periods import pages as periods_pages
from tenants.money.reconciliations import api as reconciliations_api
from tenants.money.reconciliations import lines_api
from tenants.money.reconciliations import pages as reconciliations_pages
from tenants.office.access import api as office_access_api
from tenants.office.access import grants_api, roles_api, time_zone_api, time_zone_pages
from tenants.office.access import pages as office_access_pages
from tenants.office.erasure import api as erasure_api
from tenants.office.erasure import pages as erasure_pages
from tenants.office.exports import api as exports_api
from tenants.office.exports import pages as exports_pages
from tenants.office.jobs import api as jobs_api
from tenants.office.jobs import pages as jobs_pages
from tenants.office.members import api as members_api
from tenants.office.members import pages as members_pages
from tenants.office.origins import api as origins_api
from tenants.office.origins import pages as origins_pages
from tenants.office.policies import (
    access_api,
    decisions_api,
    decisions_pages,
    discovery,
    exchange_api,
    replays_api,
    replays_pages,
    trials_api,
    versions_api,
    versions_pages,
)
from tenants.office.policies import api as policies_api
from tenants.office.policies import pages as policies_pages
from tenants.office.second_factor import api as second_factor_api
from tenants.office.second_factor import pages as office_second_factor_pages
from tenants.office.sso import api as sso_api
from tenants.office.sso import pages as office_sso_pages
from tenants.office.tokens import api as tokens_api
from tenants.office.tokens import application_pages, applications_api, service_account_pages, service_accounts_api
from tenants.office.tokens import pages as tokens_pages
from tenants.office.trail import api as trail_api
from tenants.office.trail import pages as trail_pages
from webapp.backups import certificate_pages
from webapp.backups import pages as backups_pages
from webapp.identity import (
    address_pages,
    confirmation_pages,
    passkey_pages,
    recovery_pages,
    second_step_pages,
    security_pages,
)
from webapp.identity import pages as identity_pages
from webapp.oauth import pages as oauth_pages
from webapp.platform import pages as platform_pages
from webapp.platform import trail_pages as platform_trail
from webapp.sso import confirming as sso_confirming
from webapp.sso import pages as sso_pages
from webapp.tenancy import pages as tenancy_pages
from webapp.web import (
    catalogue,
    changes,
    openapi,
)

API = (
    accounts_api.bp,
    sharing_api.bp,
    holds_api.bp,
    imports_api.bp,
    steps_api.bp,
    rows_api.bp,
    ledger_api.bp,
    bookings_api.bp,
    changes_api.bp,
    views_api.bp,
    periods_api.bp,
    reconciliations_api.bp,
    lines_api.bp,
    dashboard_api.bp,
    jobs_api.bp,
    exports_api.bp,
    erasure_api.bp,
    members_api.bp,
    office_access_api.bp,
    roles_api.bp,
    time_zone_api.bp,
    grants_api.bp,
    policies_api.bp,
    versions_api.bp,
    replays_api.bp,
    trials_api.bp,
    exchange_api.bp,
    decisions_api.bp,
    origins_api.bp,
    tokens_api.bp,
    service_accounts_api.bp,
    second_factor_api.bp,
    sso_api.bp,
    applications_api.bp,
    trail_api.bp,
)
PAGES = (
    identity_pages.bp,
    address_pages.bp,
    recovery_pages.bp,
    confirmation_pages.bp,
    second_step_pages.bp,
    security_pages.bp,
    passkey_pages.bp,
    accounts_pages.bp,
    sharing_pages.bp,
    ledger_pages.bp,
    entry_form_pages.bp,
    entry_pages.bp,
    change_pages.bp,
    holds_pages.bp,
    imports_pages.bp,
    mapping_pages.bp,
    row_pages.bp,
    periods_pages.bp,
    reconciliations_pages.bp,
    dashboard_pages.bp,
    jobs_pages.bp,
    exports_pages.bp,
    erasure_pages.bp,
    members_pages.bp,
    office_access_pages.bp,
    time_zone_pages.bp,
    catalogue.bp,
    changes.bp,
    openapi.bp,
    access_api.bp,
    discovery.bp,
    policies_pages.bp,
    replays_pages.bp,
    versions_pages.bp,
    decisions_pages.bp,
    platform_pages.bp,
    platform_trail.bp,
    backups_pages.bp,
    certificate_pages.bp,
    tenancy_pages.bp,
    origins_pages.bp,
    tokens_pages.bp,
    service_account_pages.bp,
    office_second_factor_pages.bp,
    office_sso_pages.bp,
    sso_pages.bp,
    sso_confirming.bp,
    oauth_pages.bp,
    application_pages.bp,
    trail_pages.bp,
)
