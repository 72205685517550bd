import { type ChildProcess, spawn } from 'node:child_process'
import { RingbusError } from '../client/index.js'

/** What a command may write as its reply: the largest payload of a broker as it is set up by default. */
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024

/** How much of the end of its standard error a failure carries: a message and some of a stack. */
const ERROR_TAIL_BYTES = 2048

/** Time for a cancelled command to end after SIGTERM; then it is killed. */
const KILL_GRACE_MS = 2_000

export interface ChildTask {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Record<string, string>
  readonly input: string | Uint8Array
  /** Ends the command and whatever it has started, with time to put things in order. */
  readonly cancelled: AbortSignal
  /** The same without that time: this process is about to end. */
  readonly forced: AbortSignal
}

/**
 * Runs a command in a process group of its own; resolves with its standard output. Throws HANDLER_ERROR when it
 * cannot start, fails, or is ended by a signal, and MESSAGE_TOO_LARGE when it writes too much.
 */
export async function runChild(task: ChildTask): Promise<Buffer> {
  const { cancelled, forced } = task
  cancelled.throwIfAborted()
  const child = spawn(task.command, task.args, { env: { ...process.env, ...task.env }, detached: true })
  const end = (): void => endGroup(child)
  const kill = (): void => signalGroup(child, 'SIGKILL')
  cancelled.addEventListener('abort', end, { once: true })
  forced.addEventListener('abort', kill, { once: true })
  try {
    return await outcome(child, task)
  } finally {
    cancelled.removeEventListener('abort', end)
    forced.removeEventListener('abort', kill)
  }
}

/** The command leads a process group: whatever it has started gets the signal, too. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // Nobody of the group is left.
  }
}

function endGroup(child: ChildProcess): void {
  signalGroup(child, 'SIGTERM')
  const killing = setTimeout(() => signalGroup(child, 'SIGKILL'), KILL_GRACE_MS)
  child.once('close', () => clearTimeout(killing))
}

function outcome(child: ChildProcess, { command, input }: ChildTask): Promise<Buffer> {
  const output: Buffer[] = []
  let outputBytes = 0
  let errorTail = Buffer.alloc(0)
  return new Promise((resolve, reject) => {
    child.stdout!.on('data', (chunk: Buffer) => {
      outputBytes += chunk.length
      if (outputBytes <= OUTPUT_BYTES_MAX) output.push(chunk)
      else signalGroup(child, 'SIGKILL')
    })
    child.stderr!.on('data', (chunk: Buffer) => {
      process.stderr.write(chunk)
      errorTail = Buffer.concat([errorTail, chunk]).subarray(-ERROR_TAIL_BYTES)
    })
    // A command need not read its input: that it closes it is no failure.
    child.stdin!.on('error', () => {})
    child.stdin!.end(input)
    child.on('error', (cause) => reject(failure(`${command} did not start: ${cause.message}`, {}, cause)))
    child.on('close', (exitCode, signal) => {
      if (outputBytes > OUTPUT_BYTES_MAX) reject(tooLarge(command))
      else if (exitCode === 0) resolve(Buffer.concat(output))
      else {
        const stderr = errorTail.toString('utf8').trimEnd()
        const ending = signal === null ? `exit code ${exitCode}` : `signal ${signal}`
        reject(failure(`${command} ended with ${ending}: ${stderr}`, { exitCode, signal, stderr }))
      }
    })
  })
}

function failure(message: string, details: Record<string, unknown>, cause?: unknown): RingbusError {
  return new RingbusError('HANDLER_ERROR', message, { details, cause })
}

function tooLarge(command: string): RingbusError {
  return new RingbusError('MESSAGE_TOO_LARGE', `${command} wrote more than ${OUTPUT_BYTES_MAX} bytes`)
}
