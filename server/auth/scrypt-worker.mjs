// One password at a time, on this worker's own thread: libuv's four are the files', the names' and everybody's.
import { scryptSync } from 'node:crypto'
import { parentPort } from 'node:worker_threads'

parentPort?.on('message', ({ password, salt, bytes, cost }) =>
  parentPort?.postMessage(scryptSync(password, salt, bytes, cost)),
)
