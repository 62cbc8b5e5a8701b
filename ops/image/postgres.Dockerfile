# PostgreSQL with pgBackRest beside it: the same image is the database and the service that backs it up. A second target
# of the backups is reached by TLS, for which the authorities are needed. Where the cluster lies, with the number of its
# major version, the base image says (PGDATA).
ARG POSTGRES_IMAGE=postgres:18-trixie
FROM ${POSTGRES_IMAGE}
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends ca-certificates pgbackrest \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /usr/share/doc /usr/share/man \
    && install -d -o postgres -g postgres -m 0750 /var/lib/pgbackrest /var/spool/pgbackrest /var/log/pgbackrest
RUN install -d -o postgres -g postgres -m 0755 /var/lib/comptoir /var/lib/comptoir/metrics \
    && install -d -o postgres -g postgres -m 0700 /var/lib/comptoir/facts /var/lib/comptoir/configuration
COPY ops/postgres/ /etc/comptoir/
RUN rm -f /etc/pgbackrest.conf && mkdir -p /etc/pgbackrest/conf.d && mv /etc/comptoir/pgbackrest.conf /etc/pgbackrest/ \
    && printf 'pg1-path=%s\n' "$PGDATA" >>/etc/pgbackrest/pgbackrest.conf
USER 999:999
