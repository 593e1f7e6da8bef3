# The HTTP service (clr-search serve), from a checkout: docker build -f deploy/server.Dockerfile .
FROM python:3.11-slim
COPY . /src
RUN pip install --no-cache-dir --constraint /src/constraints.txt '/src[serve,stores,milvus]' \
    && rm -r /src \
    && useradd --uid 10001 --create-home clr
USER 10001
ENV CLR_SEARCH_CACHE=/tmp/clr-search
EXPOSE 8000
HEALTHCHECK --interval=10s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=3)"]
ENTRYPOINT ["clr-search", "serve"]
CMD ["/data/photos.clr", "--host", "0.0.0.0", "--keys", "/run/secrets/keys", "--log-format", "json"]
