# Stands in for a service that speaks S3: moto of Debian behind gunicorn, which keeps all in memory. The certificate is
# mounted, and the name of the bucket is part of the path, as with most services of the kind.
FROM comptoir-standin/debian:trixie
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends python3-moto python3-flask python3-flask-cors python3-antlr4 gunicorn \
    && rm -rf /var/lib/apt/lists/* \
    && printf '%s\n' 'from moto.server import DomainDispatcherApplication, create_backend_app' \
        'app = DomainDispatcherApplication(create_backend_app)' >/srv/s3.py
ENV S3_IGNORE_SUBDOMAIN_BUCKETNAME=true
WORKDIR /srv
EXPOSE 443
CMD ["gunicorn", "--bind=0.0.0.0:443", "--worker-class=gthread", "--threads=16", "--keep-alive=75", "--timeout=300", \
     "--certfile=/certificate/certificate.pem", "--keyfile=/certificate/key.pem", "s3:app"]
