/** An address that is none of the views. */
import { Link } from '@tanstack/react-router'
import { Notice } from '../parts/Notice.tsx'

/** Says so, and leads back. */
export function NotFound() {
  return (
    <main className="page">
      <h1>Not found</h1>
      <Notice action={<Link to="/">Open the microscope</Link>}>
        There is no view at this address.
      </Notice>
    </main>
  )
}
