// Sends 20 records with winston and winston-loki, as protobuf: node winston.mjs URL
import winston from 'winston'
import LokiTransport from 'winston-loki'

const onConnectionError = (error) => { console.error(`refused: ${error}`); process.exit(1) }
const transport = new LokiTransport({ host: process.argv[2], labels: { app: 'winston' }, interval: 1, onConnectionError })
const logger = winston.createLogger({ transports: [transport] })
for (let number = 0; number < 20; number += 1) {
  logger.warn(`order ${number} was "shipped" to Zürich`)
}
await transport.flush()
process.exit(0)
