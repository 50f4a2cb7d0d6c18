/** Where a thing is made when the request does not say: in the domain the token is for, or in the default one. */
import type { Holder } from '../policy.ts'

export const ownDomain = ({ token }: Holder): string => token.domainId ?? token.project?.domain.id ?? 'default'
