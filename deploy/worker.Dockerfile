# A node of a Ray cluster that embeds (build-index --engine ray), from a checkout:
# docker build -f deploy/worker.Dockerfile .
FROM python:3.11-slim
COPY . /src
RUN pip install --no-cache-dir --constraint /src/constraints.txt '/src[ray,stores,milvus,heif]' \
    && rm -r /src \
    && useradd --uid 10001 --create-home clr
USER 10001
ENV CLR_SEARCH_CACHE=/tmp/clr-search OMP_NUM_THREADS=1
CMD ["ray", "start", "--head", "--block", "--dashboard-host", "127.0.0.1"]
