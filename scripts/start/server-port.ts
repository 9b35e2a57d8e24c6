/** The port that the page and the API are served on. */
import { StartFault } from './fault.ts'
import { freePort, isFree } from './ports.ts'

const usual = 3001

/** @throws StartFault if the port is invalid or taken */
export async function choosePort(wish: number | string | undefined): Promise<number> {
  const port = wish === undefined || wish === '' ? usual : Number(wish)
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new StartFault(`${wish} is not a port: give a number from 1 to 65535`)
  if (port === 0) return freePort()
  // Every address, as the server will; a system without IPv6 listens on IPv4 alone.
  if (await isFree(port, '0.0.0.0')) return port
  throw new StartFault(
    `port ${port} is taken by another program: stop that program, or choose another port, like "npm start -- --port ${port + 1}"`,
  )
}
