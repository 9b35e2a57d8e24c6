# One image for the server, the trainer and the recorder; docker-compose.yml says which runs where.

FROM node:20-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
# The page and the contracts, and then nothing that only a build needs.
RUN npx vite build client \
 && node --import tsx --eval "import('./contracts/solidity/compile.ts').then(({ artifact }) => artifact('ContributionLedger'))" \
 && npm prune --omit=dev

FROM node:20-bookworm-slim
ENV NODE_ENV=production \
    MODELS_PATH=/app/models \
    CHECKPOINTS_PATH=/data/checkpoints \
    DOWNLOADS_PATH=/data/downloads \
    CACHE_PATH=/data/cache
WORKDIR /app
COPY --from=build /app /app
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 3001
CMD ["node", "--import", "tsx", "server/main.ts"]
