/** How the nouns of the identity service look on the wire. */
import type { FastifyRequest } from 'fastify'
import type { Selectable } from 'kysely'
import type { IdentityTables } from '../store/tables.ts'
import { links } from './collection.ts'

type Row<Name extends keyof IdentityTables> = Selectable<IdentityTables[Name]>

const json = (text: string): object => JSON.parse(text) as object

export const projectView = (request: FastifyRequest, row: Row<'projects'>) => ({
  ...json(row.extra),
  id: row.id,
  name: row.name,
  domain_id: row.domain_id,
  description: row.description,
  enabled: row.enabled === 1,
  parent_id: row.parent_id ?? row.domain_id,
  is_domain: false,
  tags: json(row.tags),
  options: json(row.options),
  ...links(request, `projects/${row.id}`),
})

export const domainView = (request: FastifyRequest, row: Row<'domains'>) => ({
  ...json(row.extra),
  id: row.id,
  name: row.name,
  description: row.description,
  enabled: row.enabled === 1,
  tags: json(row.tags),
  options: json(row.options),
  ...links(request, `domains/${row.id}`),
})

export const userView = (request: FastifyRequest, row: Row<'users'>) => ({
  ...json(row.extra),
  id: row.id,
  name: row.name,
  domain_id: row.domain_id,
  ...(row.description ? { description: row.description } : {}),
  ...(row.email ? { email: row.email } : {}),
  enabled: row.enabled === 1,
  ...(row.default_project_id ? { default_project_id: row.default_project_id } : {}),
  password_expires_at: null,
  options: json(row.options),
  ...links(request, `users/${row.id}`),
})

export const groupView = (request: FastifyRequest, row: Row<'groups'>) => ({
  ...json(row.extra),
  id: row.id,
  name: row.name,
  domain_id: row.domain_id,
  description: row.description,
  ...links(request, `groups/${row.id}`),
})

export const roleView = (request: FastifyRequest, row: Row<'roles'>) => ({
  ...json(row.extra),
  id: row.id,
  name: row.name,
  domain_id: row.domain_id,
  description: row.description,
  options: json(row.options),
  ...links(request, `roles/${row.id}`),
})

export const regionView = (request: FastifyRequest, row: Row<'regions'>) => ({
  ...json(row.extra),
  id: row.id,
  description: row.description,
  parent_region_id: row.parent_region_id,
  ...links(request, `regions/${row.id}`),
})

export const serviceView = (request: FastifyRequest, row: Row<'services'>) => ({
  ...json(row.extra),
  id: row.id,
  type: row.type,
  ...(row.name === null ? {} : { name: row.name }),
  ...(row.description === null ? {} : { description: row.description }),
  enabled: row.enabled === 1,
  ...links(request, `services/${row.id}`),
})

export const endpointView = (request: FastifyRequest, row: Row<'endpoints'>) => ({
  ...json(row.extra),
  id: row.id,
  service_id: row.service_id,
  region_id: row.region_id,
  region: row.region_id,
  interface: row.interface,
  url: row.url,
  enabled: row.enabled === 1,
  ...links(request, `endpoints/${row.id}`),
})
