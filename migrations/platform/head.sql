-- The platform schema at its newest revision. One statement per block; blocks end with a line "--;".
CREATE SCHEMA IF NOT EXISTS platform
--;
CREATE TABLE platform.person (
    id uuid PRIMARY KEY,
    email_sealed bytea NOT NULL,
    email_blind bytea NOT NULL UNIQUE,
    name_sealed bytea NOT NULL,
    password_hash text,
    language text NOT NULL DEFAULT 'en' CHECK (language IN ('en', 'fr', 'ar')),
    theme text NOT NULL DEFAULT 'system' CHECK (theme IN ('system', 'light', 'dark')),
    density text NOT NULL DEFAULT 'comfortable' CHECK (density IN ('comfortable', 'compact')),
    is_operator boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    disabled_at timestamptz,
    email_verified_at timestamptz
)
--;
CREATE TABLE platform.session (
    secret_hash bytea PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    person_id uuid NOT NULL REFERENCES platform.person (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    user_agent text NOT NULL DEFAULT '',
    source_address text NOT NULL DEFAULT '',
    seen_address text NOT NULL DEFAULT '',
    confirmed_at timestamptz NOT NULL,
    second_factor_at timestamptz,
    is_renewal_due boolean NOT NULL DEFAULT false,
    sso_tenant_ids uuid[] NOT NULL DEFAULT '{}',
    only_tenant_id uuid
)
--;
CREATE INDEX session_person ON platform.session (person_id, created_at)
--;
CREATE TABLE platform.totp (
    person_id uuid PRIMARY KEY REFERENCES platform.person (id) ON DELETE CASCADE,
    secret_sealed bytea NOT NULL,
    last_step bigint NOT NULL,
    created_at timestamptz NOT NULL
)
--;
CREATE TABLE platform.recovery_code (
    person_id uuid NOT NULL REFERENCES platform.person (id) ON DELETE CASCADE,
    code_hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (person_id, code_hash)
)
--;
CREATE TABLE platform.passkey (
    id uuid PRIMARY KEY,
    person_id uuid NOT NULL REFERENCES platform.person (id) ON DELETE CASCADE,
    credential_id bytea NOT NULL UNIQUE CHECK (length(credential_id) <= 1023),
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    is_synced boolean NOT NULL,
    created_at timestamptz NOT NULL,
    used_at timestamptz,
    copied_at timestamptz
)
--;
CREATE INDEX passkey_person ON platform.passkey (person_id, created_at)
--;
CREATE TABLE platform.half_sign_in (
    secret_hash bytea PRIMARY KEY,
    person_id uuid NOT NULL REFERENCES platform.person (id) ON DELETE CASCADE,
    target text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
)
--;
CREATE INDEX half_sign_in_expiry ON platform.half_sign_in (expires_at)
--;
CREATE TABLE platform.passkey_challenge (
    challenge_hash bytea PRIMARY KEY,
    purpose text NOT NULL CHECK (purpose IN ('sign_in', 'registration', 'confirmation')),
    person_id uuid REFERENCES platform.person (id) ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
)
--;
CREATE INDEX passkey_challenge_expiry ON platform.passkey_challenge (expires_at)
--;
CREATE TABLE platform.tenant (
    id uuid PRIMARY KEY,
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z][a-z0-9-]{0,39}$'),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    schema_revision text NOT NULL,
    base_currency text NOT NULL DEFAULT 'EUR' CHECK (base_currency ~ '^[A-Z]{3}$'),
    -- In which hours and days of conditions are meant: a name of the IANA time zone database.
    time_zone text NOT NULL DEFAULT 'UTC' CHECK (length(time_zone) BETWEEN 1 AND 64),
    is_demo boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    suspended_at timestamptz,
    sso_only boolean NOT NULL DEFAULT false,
    access_revision bigint NOT NULL DEFAULT 0,
    stores_revision bigint NOT NULL DEFAULT 0,
    second_factor_roles text[] NOT NULL DEFAULT '{}',
    origins text[] NOT NULL DEFAULT '{}' CHECK (cardinality(origins) <= 20),
    -- When it is erased unless an owner calls that back, and which of them asked for it.
    erase_at timestamptz,
    erase_asked_by uuid,
    CHECK ((erase_at IS NULL) = (erase_asked_by IS NULL))
)
--;
CREATE INDEX tenant_revision ON platform.tenant (schema_revision)
--;
CREATE INDEX tenant_erasure ON platform.tenant (erase_at) WHERE erase_at IS NOT NULL
--;
-- Wrapped by a master key that is in no database. A retired one is emptied: what it sealed opens no more.
CREATE TABLE platform.data_key (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid REFERENCES platform.tenant (id) ON DELETE CASCADE,
    purpose text NOT NULL CHECK (purpose IN ('seal', 'blind')),
    rotation uuid NOT NULL,
    master_id text NOT NULL,
    wrapped bytea NOT NULL,
    made_at timestamptz NOT NULL,
    retired_at timestamptz,
    UNIQUE NULLS NOT DISTINCT (tenant_id, purpose, rotation),
    CHECK ((retired_at IS NOT NULL) = (length(wrapped) = 0))
)
--;
CREATE TABLE platform.membership (
    tenant_id uuid NOT NULL REFERENCES platform.tenant (id) ON DELETE CASCADE,
    person_id uuid NOT NULL REFERENCES platform.person (id) ON DELETE CASCADE,
    role text NOT NULL CHECK (role IN ('owner', 'admin', 'accountant', 'technician', 'member', 'auditor', 'customer')),
    own_roles text[] NOT NULL DEFAULT '{}' CHECK (cardinality(own_roles) <= 20),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, person_id)
)
--;
CREATE INDEX membership_person ON platform.membership (person_id)
--;
-- A workspace's own role: what was chosen, and the Cedar text that was made of it.
CREATE TABLE platform.access_role (
    tenant_id uuid NOT NULL REFERENCES platform.tenant (id) ON DELETE CASCADE,
    name text NOT NULL CHECK (name ~ '^[a-z][a-z0-9-]{0,39}$'),
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 80),
    permissions text[] NOT NULL CHECK (cardinality(permissions) BETWEEN 1 AND 200),
    conditions jsonb NOT NULL DEFAULT '{}',
    policy text NOT NULL CHECK (length(policy) <= 10000),
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, name)
)
--;
-- What one member may besides their roles, until a moment.
CREATE TABLE platform.access_grant (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    person_id uuid NOT NULL,
    permissions text[] NOT NULL CHECK (cardinality(permissions) BETWEEN 1 AND 200),
    conditions jsonb NOT NULL DEFAULT '{}',
    policy text NOT NULL CHECK (length(policy) <= 10000),
    note text NOT NULL DEFAULT '' CHECK (length(note) <= 200),
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    FOREIGN KEY (tenant_id, person_id) REFERENCES platform.membership (tenant_id, person_id) ON DELETE CASCADE
)
--;
CREATE INDEX access_grant_member ON platform.access_grant (tenant_id, person_id, created_at)
--;
CREATE INDEX access_grant_newest ON platform.access_grant (tenant_id, created_at, id)
--;
CREATE TABLE platform.invitation (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES platform.tenant (id) ON DELETE CASCADE,
    email_sealed bytea NOT NULL,
    role text NOT NULL CHECK (role IN ('owner', 'admin', 'accountant', 'technician', 'member', 'auditor', 'customer')),
    secret_hash bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz,
    revoked_at timestamptz
)
--;
CREATE INDEX invitation_tenant ON platform.invitation (tenant_id, created_at)
--;
CREATE TABLE platform.service_account (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES platform.tenant (id) ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100 AND name NOT LIKE '%@%'),
    note text NOT NULL DEFAULT '' CHECK (length(note) <= 500),
    role text NOT NULL CHECK (role <> 'owner'),
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    disabled_at timestamptz
)
--;
CREATE UNIQUE INDEX service_account_name ON platform.service_account (tenant_id, lower(name)) WHERE disabled_at IS NULL
--;
CREATE INDEX service_account_tenant ON platform.service_account (tenant_id, created_at)
--;
CREATE TABLE platform.token (
    id text PRIMARY KEY,
    secret_hash bytea NOT NULL,
    tenant_id uuid NOT NULL REFERENCES platform.tenant (id) ON DELETE CASCADE,
    person_id uuid REFERENCES platform.person (id) ON DELETE CASCADE,
    service_account_id uuid REFERENCES platform.service_account (id) ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    scopes text[] NOT NULL,
    networks text[] NOT NULL DEFAULT '{}' CHECK (cardinality(networks) <= 20),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    revoked_at timestamptz,
    rotated_at timestamptz,
    former_hash bytea,
    former_until timestamptz,
    CHECK ((former_hash IS NULL) = (former_until IS NULL)),
    CHECK (num_nonnulls(person_id, service_account_id) = 1)
)
--;
CREATE INDEX token_tenant ON platform.token (tenant_id, person_id, created_at)
--;
CREATE INDEX token_service_account ON platform.token (service_account_id)
--;
CREATE INDEX token_person ON platform.token (person_id)
--;
CREATE TABLE platform.sign_in_lock (
    key bytea PRIMARY KEY,
    failures integer NOT NULL CHECK (failures >= 0),
    failed_at timestamptz,
    step integer NOT NULL CHECK (step >= 0),
    locked_until timestamptz,
    kept_until timestamptz NOT NULL
)
--;
CREATE INDEX sign_in_lock_kept ON platform.sign_in_lock (kept_until)
--;
CREATE TABLE platform.sso_provider (
    tenant_id uuid PRIMARY KEY REFERENCES platform.tenant (id) ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('oidc', 'google', 'microsoft', 'github')),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    issuer text NOT NULL CHECK (length(issuer) <= 500),
    client_id text NOT NULL CHECK (length(client_id) <= 500),
    client_secret bytea NOT NULL,
    changed_at timestamptz NOT NULL
)
--;
CREATE TABLE platform.sso_identity (
    scope uuid NOT NULL,
    issuer text NOT NULL,
    subject_blind bytea NOT NULL,
    subject_sealed bytea NOT NULL,
    person_id uuid NOT NULL REFERENCES platform.person (id) ON DELETE CASCADE,
    linked_at timestamptz NOT NULL,
    used_at timestamptz NOT NULL,
    PRIMARY KEY (scope, issuer, subject_blind)
)
--;
CREATE INDEX sso_identity_person ON platform.sso_identity (person_id)
--;
CREATE TABLE platform.oauth_client (
    id text PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES platform.tenant (id) ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    secret_hash bytea,
    redirect_uris text[] NOT NULL CHECK (cardinality(redirect_uris) BETWEEN 1 AND 10),
    scopes text[] NOT NULL,
    alg text NOT NULL CHECK (alg IN ('RS256', 'EdDSA')),
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    disabled_at timestamptz
)
--;
CREATE INDEX oauth_client_tenant ON platform.oauth_client (tenant_id, created_at)
--;
CREATE TABLE platform.oauth_grant (
    id uuid PRIMARY KEY,
    client_id text NOT NULL REFERENCES platform.oauth_client (id) ON DELETE CASCADE,
    tenant_id uuid NOT NULL REFERENCES platform.tenant (id) ON DELETE CASCADE,
    person_id uuid NOT NULL REFERENCES platform.person (id) ON DELETE CASCADE,
    scopes text[] NOT NULL,
    code_hash bytea NOT NULL UNIQUE,
    code_expires_at timestamptz NOT NULL,
    code_used_at timestamptz,
    redirect_uri text NOT NULL,
    code_challenge text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    revoked_at timestamptz
)
--;
CREATE INDEX oauth_grant_client ON platform.oauth_grant (client_id, created_at)
--;
CREATE INDEX oauth_grant_person ON platform.oauth_grant (person_id, created_at)
--;
CREATE TABLE platform.oauth_refresh (
    secret_hash bytea PRIMARY KEY,
    grant_id uuid NOT NULL REFERENCES platform.oauth_grant (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    used_at timestamptz
)
--;
CREATE INDEX oauth_refresh_grant ON platform.oauth_refresh (grant_id)
--;
CREATE TABLE platform.oauth_key (
    kid text PRIMARY KEY,
    alg text NOT NULL CHECK (alg IN ('RS256', 'EdDSA')),
    private bytea NOT NULL,
    public text NOT NULL,
    created_at timestamptz NOT NULL
)
--;
CREATE INDEX oauth_key_alg ON platform.oauth_key (alg, created_at)
--;
CREATE TABLE platform.one_time_link (
    secret_hash bytea PRIMARY KEY,
    purpose text NOT NULL CHECK (purpose IN ('first_operator', 'sign_in', 'magic', 'reset', 'verify')),
    person_id uuid REFERENCES platform.person (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    browser_hash bytea
)
--;
CREATE INDEX one_time_link_person ON platform.one_time_link (person_id)
--;
CREATE TABLE platform.email_change (
    id uuid PRIMARY KEY,
    person_id uuid NOT NULL REFERENCES platform.person (id) ON DELETE CASCADE,
    old_sealed bytea NOT NULL,
    new_sealed bytea NOT NULL,
    old_hash bytea NOT NULL UNIQUE,
    new_hash bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    old_confirmed_at timestamptz,
    new_confirmed_at timestamptz,
    ended_at timestamptz
)
--;
CREATE INDEX email_change_person ON platform.email_change (person_id, created_at)
--;
CREATE TABLE platform.job (
    id uuid PRIMARY KEY,
    tenant_id uuid REFERENCES platform.tenant (id) ON DELETE CASCADE,
    kind text NOT NULL,
    queue text NOT NULL CHECK (queue IN ('default', 'imports', 'mail')),
    arguments_sealed bytea NOT NULL,
    state text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'running', 'done', 'parked', 'cancelled')),
    attempts integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    created_by_label text NOT NULL DEFAULT '',
    request_id text NOT NULL DEFAULT '',
    source_address text NOT NULL DEFAULT '',
    trace text NOT NULL DEFAULT '',
    available_at timestamptz NOT NULL,
    delivered_at timestamptz,
    started_at timestamptz,
    heartbeat_at timestamptz,
    finished_at timestamptz,
    cancel_requested_at timestamptz,
    progress_done bigint NOT NULL DEFAULT 0,
    progress_total bigint,
    error text
)
--;
CREATE INDEX job_due ON platform.job (available_at) WHERE state IN ('queued', 'running')
--;
CREATE INDEX job_tenant ON platform.job (tenant_id, created_at, id)
--;
CREATE INDEX job_recent ON platform.job (created_at, id)
--;
CREATE INDEX job_parked ON platform.job (created_at) WHERE state = 'parked'
--;
-- Counts of rate limits while Valkey is away; nothing is lost with them, so they are not logged.
CREATE UNLOGGED TABLE platform.rate_count (
    name text PRIMARY KEY CHECK (length(name) <= 300),
    used integer NOT NULL,
    ends_at timestamptz NOT NULL
)
--;
CREATE INDEX rate_count_ends ON platform.rate_count (ends_at)
--;
CREATE TABLE platform.heartbeat (
    name text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('worker', 'clock', 'web')),
    seen_at timestamptz NOT NULL,
    version text NOT NULL DEFAULT ''
)
--;
-- What was written of each workspace and when; no key leads to the workspace, which may be gone when it is needed.
CREATE TABLE platform.backup (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    slug text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('asked', 'nightly')),
    -- The night that it is of; a workspace has one backup for each.
    night date,
    state text NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'deleted')),
    failures integer NOT NULL DEFAULT 0,
    began_at timestamptz NOT NULL,
    ended_at timestamptz,
    file_name text NOT NULL DEFAULT '',
    size_bytes bigint,
    seconds double precision,
    rows_count bigint,
    digest text,
    manifest text,
    error text,
    UNIQUE (tenant_id, night)
)
--;
CREATE INDEX backup_failed ON platform.backup (failures) WHERE failures > 0
--;
CREATE INDEX backup_recent ON platform.backup (began_at, id)
--;
CREATE INDEX backup_tenant ON platform.backup (tenant_id, began_at)
--;
-- A workspace's own export: sealed under its data key, given for seven days.
CREATE TABLE platform.workspace_export (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES platform.tenant (id) ON DELETE CASCADE,
    with_xml boolean NOT NULL,
    state text NOT NULL CHECK (state IN ('making', 'ready', 'failed')),
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    size_bytes bigint,
    sha256 text
)
--;
CREATE INDEX workspace_export_tenant ON platform.workspace_export (tenant_id, created_at)
--;
CREATE INDEX workspace_export_expiry ON platform.workspace_export (expires_at)
--;
CREATE TABLE platform.export_piece (
    export_id uuid NOT NULL REFERENCES platform.workspace_export (id) ON DELETE CASCADE,
    position integer NOT NULL,
    tenant_id uuid NOT NULL,
    content_sealed bytea NOT NULL,
    PRIMARY KEY (export_id, position)
)
--;
ALTER TABLE platform.export_piece ALTER COLUMN content_sealed SET STORAGE EXTERNAL
--;
-- What an erasure found, until it is done, then its certificate: for those who owned the workspace, which is gone.
CREATE TABLE platform.erasure (
    id uuid PRIMARY KEY,
    owners uuid[] NOT NULL,
    begun_at timestamptz NOT NULL,
    is_done boolean NOT NULL DEFAULT false,
    content_sealed bytea NOT NULL,
    expires_at timestamptz NOT NULL
)
--;
CREATE INDEX erasure_expiry ON platform.erasure (expires_at)
--;
CREATE TABLE platform.audit_event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    actor_id uuid NOT NULL,
    actor_label text NOT NULL,
    via text NOT NULL,
    action text NOT NULL,
    object_type text NOT NULL,
    object_id text NOT NULL,
    difference jsonb NOT NULL DEFAULT '{}',
    request_id text NOT NULL DEFAULT '',
    source_address text NOT NULL DEFAULT '',
    through_id text NOT NULL DEFAULT '',
    decision_id text NOT NULL DEFAULT ''
)
--;
CREATE INDEX platform_audit_object ON platform.audit_event (object_type, object_id, id)
--;
CREATE INDEX platform_audit_action ON platform.audit_event (action, id)
--;
CREATE INDEX platform_audit_actor ON platform.audit_event (actor_id, id)
--;
CREATE INDEX platform_audit_through ON platform.audit_event (through_id, id)
--;
CREATE INDEX platform_audit_at ON platform.audit_event USING brin (at) WITH (pages_per_range = 16)
--;
CREATE TABLE platform.audit_unsealed (
    event_id bigint PRIMARY KEY
)
--;
CREATE TABLE platform.audit_words (
    event_id bigint PRIMARY KEY,
    seal bigint NOT NULL,
    words tsvector NOT NULL
)
--;
CREATE INDEX platform_audit_word ON platform.audit_words USING gin (words)
--;
CREATE TABLE platform.audit_seal (
    number bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    previous bytea NOT NULL CHECK (length(previous) = 32),
    root bytea NOT NULL CHECK (length(root) = 32),
    hash bytea NOT NULL CHECK (length(hash) = 32),
    count integer NOT NULL CHECK (count > 0),
    total bigint NOT NULL,
    event_ids bigint[] NOT NULL CHECK (cardinality(event_ids) = count),
    leaves bytea NOT NULL CHECK (length(leaves) = 32 * count),
    newest_at timestamptz NOT NULL
)
--;
CREATE TABLE platform.audit_checkpoint (
    number bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    total bigint NOT NULL,
    key_id text NOT NULL,
    signature bytea NOT NULL CHECK (length(signature) = 64)
)
--;
CREATE TABLE platform.audit_key (
    id text PRIMARY KEY,
    public_key bytea NOT NULL CHECK (length(public_key) = 32),
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL,
    retired_at timestamptz
)
--;
GRANT USAGE ON SCHEMA platform TO comptoir_platform
--;
GRANT SELECT, INSERT, UPDATE, DELETE ON platform.person, platform.session, platform.membership, platform.invitation,
    platform.access_role, platform.access_grant,
    platform.service_account, platform.sso_provider, platform.sso_identity,
    platform.oauth_client, platform.oauth_grant, platform.oauth_refresh, platform.oauth_key, platform.token, platform.one_time_link, platform.job, platform.heartbeat TO comptoir_platform
--;
GRANT SELECT, INSERT, UPDATE, DELETE ON platform.backup, platform.workspace_export, platform.export_piece, platform.erasure TO comptoir_platform
--;
GRANT SELECT, INSERT, UPDATE, DELETE ON platform.sign_in_lock, platform.email_change TO comptoir_platform
--;
GRANT SELECT, INSERT, UPDATE, DELETE ON platform.totp, platform.recovery_code, platform.passkey,
    platform.half_sign_in, platform.passkey_challenge TO comptoir_platform
--;
GRANT SELECT, UPDATE (name, is_demo, suspended_at, sso_only, access_revision, stores_revision, second_factor_roles, origins, time_zone,
    erase_at, erase_asked_by) ON platform.tenant
    TO comptoir_platform
--;
GRANT SELECT, INSERT, UPDATE (master_id, wrapped, retired_at) ON platform.data_key TO comptoir_platform
--;
GRANT SELECT, INSERT ON platform.audit_event, platform.audit_unsealed TO comptoir_platform
--;
GRANT SELECT ON platform.audit_seal, platform.audit_checkpoint, platform.audit_words TO comptoir_platform
--;
GRANT SELECT (id, public_key, created_at, retired_at) ON platform.audit_key TO comptoir_platform
--;
GRANT SELECT, INSERT, UPDATE, DELETE ON platform.rate_count TO comptoir_platform
--;
