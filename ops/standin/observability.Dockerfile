# Stands in for the images of the profile `observability` that Debian has: one for all, at the paths of the real ones.
FROM comptoir-standin/debian:trixie
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends wget prometheus prometheus-alertmanager \
        prometheus-blackbox-exporter prometheus-nginx-exporter prometheus-node-exporter prometheus-postgres-exporter \
        prometheus-redis-exporter \
    && cd /usr/bin \
    && ln -s prometheus-alertmanager alertmanager \
    && ln -s prometheus-blackbox-exporter blackbox_exporter \
    && ln -s prometheus-nginx-exporter nginx-prometheus-exporter \
    && ln -s prometheus-node-exporter node_exporter \
    && ln -s prometheus-postgres-exporter postgres_exporter \
    && ln -s /usr/bin/prometheus-redis-exporter /redis_exporter \
    && install -d -o nobody -g nogroup /prometheus /alertmanager \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
USER nobody
