/**
 * Runs before every npm script: makes sure that the dependencies are there.
 * Uses nothing but Node itself, since nothing else may be installed yet.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const oldest = [20, 19]
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const modules = join(root, 'node_modules')
const stamp = join(modules, '.attune-setup')

function fail(message) {
  console.error(`attune: ${message}`)
  process.exit(1)
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) {
    fail(`this is Node ${process.versions.node}, and Attune needs ${oldest.join('.')} or newer: see https://nodejs.org`)
  }
}

/** What is installed depends on the lock file, on Node's major version and on the platform. */
function wanted() {
  const lock = readFileSync(join(root, 'package-lock.json'))
  const platform = `${process.versions.node.split('.')[0]} ${process.platform} ${process.arch}`
  return createHash('sha256').update(lock).update(platform).digest('hex')
}

function isInstalled(hash) {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === hash
}

/** Somebody ran `npm ci` or `npm install` by hand: npm's own record is as new as the lock file's contents. */
function matchesNpmRecord() {
  const record = join(modules, '.package-lock.json')
  if (!existsSync(record)) return false
  const packages = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  const installed = JSON.parse(readFileSync(record, 'utf8')).packages
  return Object.entries(packages).every(([path, entry]) => {
    if (path === '' || (entry.optional && !installed[path])) return true
    return installed[path]?.version === entry.version && existsSync(join(root, path))
  })
}

/** npm itself, run by the Node that runs us, where npm started us; else from the PATH. */
function npm() {
  const cli = process.env.npm_execpath
  return cli?.endsWith('.js') ? { command: process.execPath, first: [cli] } : { command: 'npm', first: [] }
}

async function install() {
  const started = Date.now()
  const { command, first } = npm()
  const child = spawn(command, [...first, 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    // For a machine-wide npm configuration that overrides --ignore-scripts: onnxruntime-node's
    // script would download CUDA libraries that are not needed.
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  const live = process.stdout.isTTY
  const line = () => `dependencies  installing, ${Math.round((Date.now() - started) / 1000)} s`
  if (!live) console.log('dependencies  installing (a minute or two)')
  const ticker = setInterval(() => live && process.stdout.write(`\r${line()}`), 250)
  const code = await new Promise((resolve) => {
    child.on('error', (error) => {
      output += error.message
      resolve(1)
    })
    child.on('close', resolve)
  })
  clearInterval(ticker)
  if (live) process.stdout.write('\r\x1b[K')
  if (code !== 0) {
    console.error(output.trim())
    fail('the dependencies could not be installed; mend what npm says above and run the command again')
  }
  console.log(`dependencies  installed in ${Math.round((Date.now() - started) / 1000)} s`)
}

checkNode()
const hash = wanted()
if (!isInstalled(hash)) {
  if (!matchesNpmRecord()) await install()
  try {
    writeFileSync(stamp, hash)
  } catch (error) {
    // core/disk.ts has these codes, too; nothing but Node may be imported here.
    // Installed by another user, or on a disk that is full or read-only: the record is compared again next time.
    if (!['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT'].includes(error.code)) throw error
  }
}
