// Sends 20 records with pino and pino-loki: node pino.mjs URL
import pino from 'pino'
import { pinoLoki } from 'pino-loki'

const stream = pinoLoki({ host: process.argv[2], labels: { app: 'pino' }, batching: { interval: 1 } })
const logger = pino(stream)
for (let number = 0; number < 20; number += 1) {
  logger.warn({ order: `o-${number}` }, `order ${number} was "shipped" to Zürich`)
}
// What it has gathered it sends every second.
setTimeout(() => stream.end(), 2000)
