//! The BLAS and LAPACK routines that clarabel calls, by faer, so that no system library is needed.
//!
//! Only the cases that clarabel uses: no strides between vectors, `f64`, column-major order. A query of
//! the workspace is answered with one element, as none is used.

use std::ffi::{c_char, c_int};

use faer::linalg::matmul::matmul;
use faer::linalg::solvers::Solve;
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};

/// A column-major matrix.
///
/// # Safety
/// `a` holds `columns` columns of `rows` numbers, `stride` apart.
unsafe fn view<'a>(a: *const f64, rows: c_int, columns: c_int, stride: c_int) -> MatRef<'a, f64> {
    unsafe { MatRef::from_raw_parts(a, rows as usize, columns as usize, 1, stride as isize) }
}

/// The same, to be written to.
unsafe fn view_mut<'a>(a: *mut f64, rows: c_int, columns: c_int, stride: c_int) -> MatMut<'a, f64> {
    unsafe { MatMut::from_raw_parts_mut(a, rows as usize, columns as usize, 1, stride as isize) }
}

/// `a` or its transpose, which is `rows x columns`.
unsafe fn turned<'a>(
    trans: *const c_char,
    a: *const f64,
    rows: c_int,
    columns: c_int,
    stride: c_int,
) -> MatRef<'a, f64> {
    unsafe {
        match *trans as u8 {
            b'N' | b'n' => view(a, rows, columns, stride),
            _ => view(a, columns, rows, stride).transpose(),
        }
    }
}

fn side(uplo: c_char) -> Side {
    if matches!(uplo as u8, b'U' | b'u') { Side::Upper } else { Side::Lower }
}

fn product(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Mat<f64> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    let work = a.nrows() * a.ncols() * b.ncols();
    let par = if work < 1 << 20 { Par::Seq } else { Par::rayon(0) };
    matmul(out.as_mut(), Accum::Replace, a, b, 1.0, par);
    out
}

/// `c = alpha p + beta c` where `writes`.
fn update(
    mut c: MatMut<'_, f64>,
    alpha: f64,
    p: &Mat<f64>,
    beta: f64,
    writes: impl Fn(usize, usize) -> bool,
) {
    for j in 0..c.ncols() {
        for i in (0..c.nrows()).filter(|&i| writes(i, j)) {
            // As BLAS has it, `c` is not read where beta is zero.
            let old = if beta == 0.0 { 0.0 } else { beta * c[(i, j)] };
            c[(i, j)] = alpha * p[(i, j)] + old;
        }
    }
}

fn triangle(side: Side) -> impl Fn(usize, usize) -> bool {
    move |i, j| if side == Side::Upper { i <= j } else { i >= j }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn dgemm_(
    transa: *const c_char,
    transb: *const c_char,
    m: *const c_int,
    n: *const c_int,
    k: *const c_int,
    alpha: *const f64,
    a: *const f64,
    lda: *const c_int,
    b: *const f64,
    ldb: *const c_int,
    beta: *const f64,
    c: *mut f64,
    ldc: *const c_int,
) {
    unsafe {
        let p = product(turned(transa, a, *m, *k, *lda), turned(transb, b, *k, *n, *ldb));
        update(view_mut(c, *m, *n, *ldc), *alpha, &p, *beta, |_, _| true);
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn dsyrk_(
    uplo: *const c_char,
    trans: *const c_char,
    n: *const c_int,
    k: *const c_int,
    alpha: *const f64,
    a: *const f64,
    lda: *const c_int,
    beta: *const f64,
    c: *mut f64,
    ldc: *const c_int,
) {
    unsafe {
        let a = turned(trans, a, *n, *k, *lda);
        let p = product(a, a.transpose());
        update(view_mut(c, *n, *n, *ldc), *alpha, &p, *beta, triangle(side(*uplo)));
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn dsyr2k_(
    uplo: *const c_char,
    trans: *const c_char,
    n: *const c_int,
    k: *const c_int,
    alpha: *const f64,
    a: *const f64,
    lda: *const c_int,
    b: *const f64,
    ldb: *const c_int,
    beta: *const f64,
    c: *mut f64,
    ldc: *const c_int,
) {
    unsafe {
        let (a, b) = (turned(trans, a, *n, *k, *lda), turned(trans, b, *n, *k, *ldb));
        let p = product(a, b.transpose());
        let p = &p + p.transpose();
        update(view_mut(c, *n, *n, *ldc), *alpha, &p, *beta, triangle(side(*uplo)));
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn dpotrf_(
    uplo: *const c_char,
    n: *const c_int,
    a: *mut f64,
    lda: *const c_int,
    info: *mut c_int,
) {
    unsafe {
        let (side, mut a) = (side(*uplo), view_mut(a, *n, *n, *lda));
        let Ok(factor) = a.as_ref().llt(side) else {
            *info = 1;
            return;
        };
        let lower = factor.L();
        let l = if side == Side::Upper { lower.transpose() } else { lower };
        let writes = triangle(side);
        for j in 0..a.ncols() {
            for i in (0..a.nrows()).filter(|&i| writes(i, j)) {
                a[(i, j)] = l[(i, j)];
            }
        }
        *info = 0;
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn dpotrs_(
    uplo: *const c_char,
    n: *const c_int,
    nrhs: *const c_int,
    a: *const f64,
    lda: *const c_int,
    b: *mut f64,
    ldb: *const c_int,
    info: *mut c_int,
) {
    unsafe {
        let (side, a) = (side(*uplo), view(a, *n, *n, *lda));
        let writes = triangle(side);
        let part =
            Mat::from_fn(a.nrows(), a.ncols(), |i, j| if writes(i, j) { a[(i, j)] } else { 0.0 });
        let full = match side {
            Side::Upper => product(part.transpose(), part.as_ref()),
            Side::Lower => product(part.as_ref(), part.transpose()),
        };
        match full.llt(Side::Lower) {
            Ok(factor) => {
                factor.solve_in_place(view_mut(b, *n, *nrhs, *ldb));
                *info = 0;
            }
            Err(_) => *info = 1,
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn dsyevr_(
    jobz: *const c_char,
    _range: *const c_char,
    uplo: *const c_char,
    n: *const c_int,
    a: *mut f64,
    lda: *const c_int,
    _vl: *const f64,
    _vu: *const f64,
    _il: *const c_int,
    _iu: *const c_int,
    _abstol: *const f64,
    m: *mut c_int,
    w: *mut f64,
    z: *mut f64,
    ldz: *const c_int,
    _isuppz: *mut c_int,
    work: *mut f64,
    lwork: *const c_int,
    iwork: *mut c_int,
    _liwork: *const c_int,
    info: *mut c_int,
) {
    unsafe {
        *info = 0;
        if *lwork == -1 {
            (*work, *iwork) = (1.0, 1);
            return;
        }
        let Ok(eigen) = view(a, *n, *n, *lda).self_adjoint_eigen(side(*uplo)) else {
            *info = 1;
            return;
        };
        *m = *n;
        for (k, &value) in eigen.S().column_vector().iter().enumerate() {
            *w.add(k) = value;
        }
        if matches!(*jobz as u8, b'V' | b'v') {
            view_mut(z, *n, *n, *ldz).copy_from(eigen.U());
        }
    }
}

/// The thin singular value decomposition of an `m x n` matrix, for both routines below.
#[allow(clippy::too_many_arguments)] // those of LAPACK
unsafe fn thin_svd(
    m: *const c_int,
    n: *const c_int,
    a: *const f64,
    lda: *const c_int,
    s: *mut f64,
    u: *mut f64,
    ldu: *const c_int,
    vt: *mut f64,
    ldvt: *const c_int,
    work: *mut f64,
    lwork: *const c_int,
    info: *mut c_int,
) {
    unsafe {
        let (m, n) = (*m, *n);
        *info = 0;
        if *lwork == -1 {
            *work = 1.0;
            return;
        }
        let Ok(svd) = view(a, m, n, *lda).thin_svd() else {
            *info = 1;
            return;
        };
        for (k, &value) in svd.S().column_vector().iter().enumerate() {
            *s.add(k) = value;
        }
        view_mut(u, m, m.min(n), *ldu).copy_from(svd.U());
        view_mut(vt, m.min(n), n, *ldvt).copy_from(svd.V().transpose());
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn dgesdd_(
    _jobz: *const c_char,
    m: *const c_int,
    n: *const c_int,
    a: *mut f64,
    lda: *const c_int,
    s: *mut f64,
    u: *mut f64,
    ldu: *const c_int,
    vt: *mut f64,
    ldvt: *const c_int,
    work: *mut f64,
    lwork: *const c_int,
    _iwork: *mut c_int,
    info: *mut c_int,
) {
    unsafe { thin_svd(m, n, a, lda, s, u, ldu, vt, ldvt, work, lwork, info) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn dgesvd_(
    _jobu: *const c_char,
    _jobvt: *const c_char,
    m: *const c_int,
    n: *const c_int,
    a: *mut f64,
    lda: *const c_int,
    s: *mut f64,
    u: *mut f64,
    ldu: *const c_int,
    vt: *mut f64,
    ldvt: *const c_int,
    work: *mut f64,
    lwork: *const c_int,
    info: *mut c_int,
) {
    unsafe { thin_svd(m, n, a, lda, s, u, ldu, vt, ldvt, work, lwork, info) }
}
