/** Files for a new guest, `personality` until 2.56. Upstream: nova/compute/api.py, _check_injected_file_quota. */
import type { QuotaLimits } from '../../db/quotas.ts'
import { NovaError } from '../../domain/errors.ts'
import type { InjectedFile } from '../../domain/server.ts'

/** As upstream, contents count as they are sent: in base64. Errors: OnsetFileLimitExceeded and its kin. */
export function injectedFiles(quota: QuotaLimits, personality: readonly InjectedFile[] = []): readonly InjectedFile[] {
  const { injected_files: most, injected_file_path_bytes: longest, injected_file_content_bytes: largest } = quota
  if (most >= 0 && personality.length > most) throw new NovaError('OnsetFileLimitExceeded', {})
  for (const { path, contents } of personality) {
    if (longest >= 0 && path.length > longest) throw new NovaError('OnsetFilePathLimitExceeded', { allowed: longest })
    if (largest >= 0 && contents.length > largest)
      throw new NovaError('OnsetFileContentLimitExceeded', { allowed: largest })
  }
  return personality
}
