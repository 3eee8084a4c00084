/** A thread of a team: takes tickets until the team is closed. */

import { receiveInput } from './disk.ts'
import { openKernels } from './load.ts'
import { Tickets } from './tickets.ts'

const { module, memories, control } = receiveInput()
const kernels = memories.map((memory) => openKernels(module, memory))
const tickets = new Tickets(control)
while (tickets.awaitWork()) tickets.work(kernels)
