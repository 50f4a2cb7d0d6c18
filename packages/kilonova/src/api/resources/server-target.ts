/** The server that a path names, for policies and handlers: another project's is not there for anybody but administrators. */
import { findServer } from '../../db/servers.ts'
import { NovaError } from '../../domain/errors.ts'
import type { Server } from '../../domain/server.ts'
import type { Ctx } from '../context.ts'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** Errors: NovaError InstanceNotFound. */
async function find({ db, caller, params }: Ctx, name: string, deleted: boolean): Promise<Server> {
  const id = params[name] ?? ''
  const server = UUID.test(id) ? await findServer(db, id, { deleted }) : undefined
  if (!server || (server.projectId !== caller.projectId && !caller.isAdmin))
    throw new NovaError('InstanceNotFound', { id })
  return server
}

/** `/servers/:id/…` */
export const serverTarget = (ctx: Ctx): Promise<Server> => find(ctx, 'id', false)
/** The same, also when it is deleted already. */
export const serverOrDeleted = (ctx: Ctx): Promise<Server> => find(ctx, 'id', true)
