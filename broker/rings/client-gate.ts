import { readDescriptor } from '../../protocol/index.js'
import { killPoint } from '../../shmring/index.js'
import type { Lane } from '../egress/lane.js'
import type { Passage, RingGate } from '../egress/ring-gate.js'
import type { Attachment } from './attachment.js'
import type { ClientRings } from './client-rings.js'
import { inlineForm } from './inline-forms.js'
import type { RingRecord } from './ring-record.js'
import type { RingTable } from './ring-table.js'
import type { Segment } from './segment.js'

/** Decides for one client how payloads in rings reach it. */
export class ClientGate implements RingGate {
  readonly #table: RingTable
  readonly #client: () => ClientRings

  /** What a client has of rings is made when a payload in one is first meant for it. */
  constructor(table: RingTable, client: () => ClientRings) {
    this.#table = table
    this.#client = client
  }

  present(lane: Lane, bytes: Buffer, start: number): Passage {
    const record = this.#table.find(readDescriptor(bytes, start))
    if (record.isCopied) return this.#inline(record, bytes, start)
    const attachment = this.#attachment(record.segment)
    if (attachment?.state === 'mapped') {
      if (!lane.waitsForRing || attachment.admits(record)) return this.#lease(attachment, record)
      // Who keeps what it has may keep it for ever: what waits for that would keep other rings from being used.
      if (record.segment.isAbandoned) return this.#inline(record, bytes, start)
      attachment.wait(lane)
      return 'wait'
    }
    if (attachment?.state === 'offered' && lane.waitsForRing) {
      attachment.wait(lane)
      return 'wait'
    }
    return this.#inline(record, bytes, start)
  }

  queued(bytes: Buffer, start: number): number {
    return this.#table.queued(bytes, start)
  }

  unqueued(bytes: Buffer, start: number): number {
    return this.#table.unqueued(bytes, start)
  }

  /** The client's share in a segment, offered now if it may be; undefined: it gets no part in it. */
  #attachment(segment: Segment): Attachment | undefined {
    const client = this.#client()
    const attachment = client.attachments.get(segment.id)
    if (attachment !== undefined) return attachment
    if (!client.client.mapsSegments || !this.#table.mayOffer(client, segment)) return undefined
    return this.#table.attach(client, segment)
  }

  #lease(attachment: Attachment, record: RingRecord<Segment>): Passage {
    attachment.lease(record)
    killPoint?.('broker:lease-counted')
    this.#table.counts.delivered += 1
    return 'by ring'
  }

  #inline(record: RingRecord<Segment>, bytes: Buffer, start: number): Passage {
    if (record.length > this.#table.limits.payloadBytesMax) return 'never'
    this.#table.counts.inlined += 1
    return inlineForm(record, bytes, start)
  }
}
