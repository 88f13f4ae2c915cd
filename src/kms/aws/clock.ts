import { ClockError } from '../../errors'
import { type Facts } from './facts'
import { type Explanation } from './failed-call'

/** How the services of AWS name it; the first two are KMS's. */
const NAMES = new Set(['RequestTimeTooSkewed', 'RequestExpired', 'RequestInTheFuture'])
const MESSAGE = /^Signature (expired|not yet current)\b/i
/** In the message: the time of the request, the limit that it is compared with, and AWS's own time. */
const AWS_TIME = /\((\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z [+-] /

/**
 * AWS refuses signatures more than five minutes off. The SDK corrects its clock after the first refusal and tries
 * again, so that this is left where it makes one attempt, or where the clock jumps.
 *
 * Source: IAM User Guide, "Troubleshoot Signature Version 4 requests".
 */
export function clockExplanation({ name, message, headers }: Facts): Explanation | undefined {
  if (!NAMES.has(name) && !MESSAGE.test(message)) return undefined
  const own = new Date()
  const theirs = timeIn(message) ?? timeOf(headers['date'])
  const times =
    theirs === undefined
      ? `It says ${own.toISOString()}.`
      : `It says ${own.toISOString()}, AWS ${theirs.toISOString()}: ${difference(own, theirs)}.`
  return [
    ClockError,
    () =>
      `the clock of this machine is more than 5 minutes off, and AWS refuses what it signs. ${times} Synchronise it: timedatectl set-ntp true, or the clock of the host of this container or VM. The credentials are not the cause.`,
  ]
}

function difference(own: Date, theirs: Date): string {
  const milliseconds = own.getTime() - theirs.getTime()
  const seconds = Math.round(Math.abs(milliseconds) / 1_000).toLocaleString('en')
  return `${seconds} s ${milliseconds > 0 ? 'ahead' : 'behind'}`
}

function timeIn(message: string): Date | undefined {
  const [, year, month, day, hour, minute, second] = AWS_TIME.exec(message) ?? []
  return timeOf(year && `${year}-${month ?? ''}-${day ?? ''}T${hour ?? ''}:${minute ?? ''}:${second ?? ''}Z`)
}

function timeOf(text: string | undefined): Date | undefined {
  const time = new Date(text ?? '')
  return Number.isNaN(time.getTime()) ? undefined : time
}
