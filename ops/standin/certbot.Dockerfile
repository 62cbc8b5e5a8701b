# Stands in for certbot's image, with an authority to try it with (pebble, which nobody trusts) beside it.
FROM comptoir-standin/debian:trixie
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends certbot pebble \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
ENTRYPOINT ["certbot"]
