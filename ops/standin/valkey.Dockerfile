# Stands in for valkey/valkey:9: Valkey of Debian (8.1), the same user id, folder and command.
FROM comptoir-standin/debian:trixie
RUN groupadd --system --gid 999 valkey \
    && useradd --system --uid 999 --gid 999 --home-dir /data --shell /usr/sbin/nologin valkey \
    && apt-get update -qq && apt-get install -y -qq --no-install-recommends valkey-server valkey-tools \
    && install -d -o valkey -g valkey /data
USER valkey
WORKDIR /data
VOLUME /data
EXPOSE 6379
CMD ["valkey-server"]
